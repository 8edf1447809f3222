import type { CellLayout } from './layout.ts'
import { DATABASE } from './mariadb.ts'

export interface TopologyCell {
  readonly cell: CellLayout
  /** The app account's password stays in its file; the topology only refers to it. */
  readonly mysqlPasswordFile: string
  readonly mysqlUser: string
}

const HOST = '127.0.0.1'

/** The topology of a local run as a newcomer would write it: text with comments, to be read, changed and applied again. Pure. */
export function topologyText(cells: readonly TopologyCell[]): string {
  const names = cells.map(({ cell }) => cell.name)
  const nth = (index: number) => names[index % names.length] ?? ''
  return `# The topology of this local run. Change it and apply it again:
#   npm run -s cellway -- topology diff <this file>
#   npm run -s cellway -- topology apply <this file>
apiVersion: cellway/v1

cells:
${cells.map(cellText).join('')}
spaces:
  # Users, by the hash of their id, in 1024 buckets.
  users: {kind: hash, buckets: 1024, primary: ${nth(0)}}
  # Areas: the subdivisions of China, each at the nearest cell.
  areas:
    kind: list
    values: [${AREAS.join(', ')}]
    assign: nearest
    fold: lower
  # Business types, each with its cell.
  business:
    kind: list
    values: [${BUSINESSES.join(', ')}]
    assign: {${BUSINESSES.map((value, index) => `${value}: ${nth(index)}`).join(', ')}}
  # Global data: one cell writes, all read.
  global: {kind: single, primary: ${nth(0)}}

pins:
  # A pinned key is a bucket of its own.
  users: {vip-42: ${nth(1)}}

# First match wins.
routes:
  - name: order
    match: {path: /api/orders/:order_no}
    space: users
    # The order number carries the bucket of its user; a pinned user's orders are found with the user's id.
    key: [{header: x-user-id}, {id: order_no}]
    missing: reject
  - name: user
    match: {path: /api/users/:id/**}
    space: users
    key: [{path: /api/users/:id/**}]
    missing: reject
  - name: shops
    match: {path: /api/shops/**}
    space: areas
    key: [{header: x-area}, {coordinates: [x-lat, x-lon]}, {geoip: subdivision}]
    missing: reject
  - name: community
    match: {path: /api/community/**}
    space: business
    key: [{const: community}]
    missing: reject
  - name: products
    match: {path: /api/products/**}
    space: global
    reads: local
    readYourWrites: 2s
  - name: events
    match: {path: /api/events}
    space: users
    key: [{header: x-user-id}, {cookie: uid}, {query: user_id}, {jwt: sub}]
    missing: reject
  - name: live
    match: {path: /api/live}
    space: users
    key: [{header: x-user-id}, {cookie: uid}, {query: user_id}, {jwt: sub}]
    missing: reject
    websocket: true
  - name: whoami
    match: {path: /api/whoami}
    class: local

# Every table and key pattern is in exactly one class.
data:
  mysql:
    - {table: ${DATABASE}.users, space: users, column: id}
    - {table: ${DATABASE}.orders, space: users, column: user_id}
    - {table: ${DATABASE}.shops, space: areas, column: area}
    - {table: ${DATABASE}.posts, space: business, column: business}
    - {table: ${DATABASE}.products, space: global}
    - {table: ${DATABASE}.stock, space: global}
    - {table: ${DATABASE}.job_lock, class: local}
  redis:
    - {key: "user:{key}:*", space: users}
    - {key: "cache:*", class: local}
`
}

const AREAS = 'bj tj he sx nm ln jl hl sh js zj ah fj jx sd ha hb hn gd gx hi cq sc gz yn xz sn gs qh nx xj hk mo tw'.split(' ')
const BUSINESSES = ['order', 'community', 'payment', 'post']

function cellText({ cell, mysqlPasswordFile, mysqlUser }: TopologyCell): string {
  const { ports } = cell
  const apps = ports.apps.map((port) => JSON.stringify(`http://${HOST}:${port}`)).join(', ')
  return `  ${cell.name}:
    region: ${cell.region}
    location: [${cell.location.join(', ')}]
    weight: 1
    gateway: http://${HOST}:${ports.gateway}
    apps: {default: [${apps}]}
    stores:
      mysql: {host: ${HOST}, port: ${ports.mysql}, user: ${mysqlUser}, password: ${JSON.stringify(`file:${mysqlPasswordFile}`)}, database: ${DATABASE}}
      redis: {host: ${HOST}, port: ${ports.redis}}
`
}

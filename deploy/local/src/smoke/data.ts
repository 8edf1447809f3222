/** Each kind of data, written and read through other gateways, and looked up in the store it must be in. */

import { decodeBucketId } from '@cellway/topology'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { type CellLayout, filesOf } from '../layout.ts'
import { APP_USER, DATABASE } from '../mariadb.ts'
import { cellSecrets } from '../secrets.ts'
import { type Chapter, expect, type SmokeContext, same } from './checks.ts'
import { type Answer, ask } from './http.ts'
import { bucketOf, servingCell } from './routing.ts'

/** New names at each run, so that data of earlier runs proves nothing. */
const RUN = Date.now().toString(36)
const HOST = '127.0.0.1'

export const data: Chapter = {
  title: 'Each kind of data, written at one gateway, read at the others',
  checks: [
    { name: 'user profile (hash, MySQL): written at each, in the owner’s store', run: profiles },
    { name: 'order: found by its number alone, which carries the bucket', run: orders },
    { name: 'counter and cart (hash, Redis)', run: cartAndCounter },
    { name: 'a pinned user is at its cell', run: pinned },
    { name: 'shops by area: header or coordinates (list)', run: shops },
    { name: 'community posts (business type)', run: posts },
    { name: 'products: read in each cell, stock written in one (global)', run: products },
    { name: 'read your own write of global data', run: readYourWrites }
  ]
}

async function profiles({ layout }: SmokeContext): Promise<string> {
  const owners = new Set<string>()
  for (const [index, cell] of layout.cells.entries()) {
    const user = `smoke-${RUN}-${index}`
    const written = await ok(ask(cell, { method: 'PUT', path: `/api/users/${user}`, json: { name: `User ${index}` } }))
    const owner = servingCell(written)
    owners.add(owner)
    for (const other of layout.cells) {
      const read = await ok(ask(other, { path: `/api/users/${user}` }))
      same(servingCell(read), owner, `${user} at ${other.name} served by`)
      same(field(read, 'user', 'name'), `User ${index}`, `${user} at ${other.name}`)
    }
    same(await countRows(layout.cells, { cell: owner, folder: filesOf(layout).secrets, user }), 1, `rows of ${user} in ${owner}`)
  }
  return `${layout.cells.length} users, owners ${[...owners].join(', ')}`
}

async function orders({ layout, first }: SmokeContext): Promise<string> {
  const user = `smoke-${RUN}-0`
  const path = `/api/users/${user}/orders`
  const made = await ok(ask(first, { method: 'POST', path, json: { productId: '1', quantity: 2 } }))
  const orderNo = String(field(made, 'order', 'orderNo'))
  const { bucket } = await bucketOf(first, `/api/users/${user}`)
  same(String(decodeBucketId(BigInt(orderNo)).bucket), bucket.bucket, 'bucket in the order number')
  for (const cell of layout.cells) {
    const read = await ok(ask(cell, { path: `/api/orders/${orderNo}` }))
    same(servingCell(read), bucket.owner, `order at ${cell.name} served by`)
  }
  return `order ${orderNo} → bucket ${bucket.bucket} → ${bucket.owner}`
}

async function cartAndCounter({ layout }: SmokeContext): Promise<string> {
  const user = `smoke-${RUN}-0`
  for (const [index, cell] of layout.cells.entries()) {
    const counted = await ok(ask(cell, { method: 'POST', path: `/api/users/${user}/counter`, json: {} }))
    same(counted.body.counter, index + 1, `counter at ${cell.name}`)
    await ok(ask(cell, { method: 'PUT', path: `/api/users/${user}/cart`, json: { items: { 1: index + 1 } } }))
    for (const other of layout.cells) {
      const cart = await ok(ask(other, { path: `/api/users/${user}/cart` }))
      same(field(cart, 'items', '1'), index + 1, `cart at ${other.name}`)
    }
  }
  return `counted to ${layout.cells.length} through ${layout.cells.length} gateways`
}

async function pinned({ layout, first }: SmokeContext): Promise<string> {
  const wanted = layout.cells[1 % layout.cells.length]?.name
  for (const cell of layout.cells) {
    const written = await ok(ask(cell, { method: 'PUT', path: '/api/users/vip-42', json: { name: 'A pinned user' } }))
    same(servingCell(written), wanted, `vip-42 at ${cell.name} served by`)
  }
  return `vip-42 → ${wanted}, bucket ${(await bucketOf(first, '/api/users/vip-42')).bucket.bucket}`
}

async function shops({ layout, first }: SmokeContext): Promise<string> {
  const areas = { bj: ['39.9', '116.4'], zj: ['30.3', '120.2'], gd: ['23.1', '113.3'] } as const
  const seen: string[] = []
  for (const [area, [latitude, longitude]] of Object.entries(areas)) {
    const name = `Shop ${RUN}`
    const headers = { 'x-area': area }
    const opened = await ok(ask(first, { method: 'POST', path: '/api/shops', headers, json: { name, address: 'Street 1' } }))
    const owner = servingCell(opened)
    for (const cell of layout.cells) {
      const byArea = await ok(ask(cell, { path: '/api/shops', headers }))
      same(servingCell(byArea), owner, `area ${area} at ${cell.name} served by`)
      expect(JSON.stringify(byArea.body.shops).includes(name), `${name} is not among the shops of ${area} at ${cell.name}`)
      const byPlace = await ok(ask(cell, { path: '/api/shops', headers: { 'x-lat': latitude, 'x-lon': longitude } }))
      same(byPlace.body.area, area, `area at ${latitude}, ${longitude}`)
    }
    seen.push(`${area} → ${owner}`)
  }
  return seen.join(', ')
}

async function posts({ layout, first }: SmokeContext): Promise<string> {
  const title = `Post ${RUN}`
  const json = { author: `smoke-${RUN}-0`, title, body: 'Written at one gateway.' }
  const owner = servingCell(await ok(ask(first, { method: 'POST', path: '/api/community/posts', json })))
  for (const cell of layout.cells) {
    const read = await ok(ask(cell, { path: '/api/community/posts' }))
    same(servingCell(read), owner, `community at ${cell.name} served by`)
    expect(JSON.stringify(read.body.posts).includes(title), `${title} is not seen at ${cell.name}`)
  }
  return `community → ${owner}`
}

async function products({ layout, first }: SmokeContext): Promise<string> {
  const stock: number[] = []
  for (const cell of layout.cells) {
    const listed = await ok(ask(cell, { path: '/api/products' }))
    same(servingCell(listed), cell.name, `products at ${cell.name} served by`)
    const sold = await ok(ask(cell, { method: 'POST', path: '/api/products/1/stock', json: { delta: -1 } }))
    same(servingCell(sold), first.name, `stock at ${cell.name} written by`)
    stock.push(Number(sold.body.stock))
  }
  expect(
    stock.every((value, index) => index === 0 || value === (stock[index - 1] ?? 0) - 1),
    `stock went ${stock.join(', ')}`
  )
  return `reads local; stock ${stock.join(' → ')} at ${first.name}`
}

/** The note that says "read at the owner for 2 s" travels with the client, so that any gateway may get the next request. */
async function readYourWrites({ layout, first }: SmokeContext): Promise<string> {
  const cell = layout.cells.find(({ name }) => name !== first.name)
  if (cell === undefined) return 'only one cell'
  const sold = await ok(ask(cell, { method: 'POST', path: '/api/products/2/stock', json: { delta: -1 } }))
  const cookie = sold.header('set-cookie').split(';')[0] ?? ''
  const withNote = await ok(ask(cell, { path: '/api/products/2', headers: { cookie } }))
  same(servingCell(withNote), first.name, 'the writer reads at')
  const without = await ok(ask(cell, { path: '/api/products/2' }))
  same(servingCell(without), cell.name, 'others read at')
  return `writer reads at ${first.name}, others at ${cell.name}`
}

async function ok(asking: Promise<Answer>): Promise<Answer> {
  const answer = await asking
  expect(answer.status >= 200 && answer.status < 300, `${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`)
  return answer
}

function field({ body }: Answer, outer: string, inner: string): unknown {
  const value = body[outer]
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[inner] : undefined
}

async function countRows(cells: readonly CellLayout[], { cell, folder, user }: { cell: string; folder: string; user: string }): Promise<number> {
  const port = cells.find(({ name }) => name === cell)?.ports.mysql ?? 0
  const { mysqlPassword: password } = cellSecrets(folder, cell)
  const connection = await createConnection({ host: HOST, port, user: APP_USER, password, database: DATABASE })
  try {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT id FROM users WHERE id = ?', [user])
    return rows.length
  } finally {
    await connection.end()
  }
}

import { readFileSync } from 'node:fs'
import { buildSnapshot, checkTopologyChange, compileSnapshot, initialLedger, matchRoute, parseTopology, type Topology } from '@cellway/topology'
import t, { type Test } from 'tap'
import { CELLS_MAX, layoutOf } from './layout.ts'
import { topologyText } from './topology.ts'

const SCHEMA = readFileSync(new URL('../schema.sql', import.meta.url), 'utf8')

t.test('every size of a run has a topology without problems', async (t) => {
  for (let cells = 1; cells <= CELLS_MAX; cells += 1) {
    const topology = parsed(t, textFor(cells))
    t.equal(Object.keys(topology.cells).length, cells)
    const owners = new Set(initialLedger(topology).map(({ owner }) => owner))
    t.equal(owners.size, cells, 'each cell owns something')
  }
})

t.test('cells and instances can be added to a run, cells that own data cannot go', async (t) => {
  const [two, three] = [parsed(t, textFor(2)), parsed(t, textFor(3))]
  const snapshot = (topology: Topology) => buildSnapshot({ version: 1, topology, ledger: initialLedger(topology) })
  t.same(checkTopologyChange(snapshot(two), three), [])
  t.not(checkTopologyChange(snapshot(three), two).length, 0)
})

t.test('every table of the schema is in exactly one class', async (t) => {
  const tables = [...SCHEMA.matchAll(/CREATE TABLE IF NOT EXISTS (\w+)/g)].map((match) => `shop.${match[1]}`)
  const declared = parsed(t, textFor(3)).data.mysql.map(({ table }) => table)
  t.not(tables.length, 0)
  t.same([...declared].sort(), [...tables].sort())
})

t.test('every path of the demo application has its route', async (t) => {
  const topology = parsed(t, textFor(3))
  const compiled = compileSnapshot(buildSnapshot({ version: 1, topology, ledger: initialLedger(topology) }))
  for (const [path, name] of Object.entries({
    '/api/users/42': 'user',
    '/api/users/42/orders': 'user',
    '/api/users/42/cart': 'user',
    '/api/orders/382977707267448832': 'order',
    '/api/shops': 'shops',
    '/api/community/posts': 'community',
    '/api/products': 'products',
    '/api/products/1/stock': 'products',
    '/api/events': 'events',
    '/api/live': 'live',
    '/api/whoami': 'whoami'
  })) {
    const route = matchRoute(compiled, { method: 'GET', host: 'localhost', path, query: '', headers: [], clientIp: '127.0.0.1' })
    t.equal(route?.name, name, path)
  }
})

t.test('passwords are references', async (t) => {
  t.match(textFor(3), 'password: "file:/secrets of/beijing"')
})

function textFor(cellCount: number): string {
  const { cells } = layoutOf({ root: '/repo/.cellway', basePort: 7000, cellCount, appsPerCell: 2 })
  return topologyText(cells.map((cell) => ({ cell, mysqlUser: 'shop_app', mysqlPasswordFile: `/secrets of/${cell.name}` })))
}

function parsed(t: Test, text: string): Topology {
  const checked = parseTopology(text)
  if (checked.ok) return checked.value
  t.same(checked.problems, [], 'no problems')
  throw new Error('the topology has problems')
}

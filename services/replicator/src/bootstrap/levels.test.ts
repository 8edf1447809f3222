import { isCellwayError } from '@cellway/base'
import t from 'tap'
import { copyOrder } from './levels.ts'
import type { CatalogTable } from './protocol.ts'

/** `child>parent` checks, `child>>parent` cascades. */
function tablesOf(...edges: readonly string[]): CatalogTable[] {
  const tables = new Map<string, CatalogTable>()
  const touch = (name: string): CatalogTable => {
    const table = tables.get(name) ?? {
      schema: 's',
      name,
      flavour: 'mariadb' as const,
      createSql: '',
      portableSql: [],
      characterSet: '',
      collation: '',
      rowsEstimated: 0,
      references: []
    }
    tables.set(name, table)
    return table
  }
  for (const edge of edges) {
    const [child = '', parent] = edge.split(/>+/)
    const table = touch(child)
    if (parent === undefined) continue
    touch(parent)
    tables.set(child, { ...table, references: [...table.references, { schema: 's', name: parent, cascades: edge.includes('>>') }] })
  }
  return [...tables.values()]
}

function show(edges: readonly string[]): string {
  try {
    const { levels, foreignKeyChecks } = copyOrder(tablesOf(...edges))
    const texts = [...levels].sort().map(([name, level]) => `${name.slice(2)}${level}`)
    return `${texts.join(' ')} ${foreignKeyChecks ? 'on' : 'off'}`
  } catch (cause) {
    return isCellwayError(cause) ? `${cause.code} ${String(cause.details.tables)}` : String(cause)
  }
}

t.test('levels', async (t) => {
  const rows: readonly (readonly [string, readonly string[], string])[] = [
    ['no foreign keys', ['a', 'b'], 'a0 b0 off'],
    ['keys that only check need no order', ['b>a', 'c>b'], 'a0 b0 c0 off'],
    ['circles that only check neither', ['a>b', 'b>a', 'c>c'], 'a0 b0 c0 off'],
    ['one cascade, and all keys are ordered', ['b>>a', 'c>b', 'd'], 'a0 b1 c2 d0 on'],
    ['two parents', ['c>>a', 'c>b', 'b>a'], 'a0 b1 c2 on'],
    ['a circle with a cascade somewhere', ['b>>a', 'c>d', 'd>c'], 'BOO_FOREIGN_KEY_CYCLE s.c,s.d'],
    ['a table that refers to itself', ['a>>a'], 'BOO_FOREIGN_KEY_CYCLE s.a']
  ]
  for (const [name, edges, want] of rows) t.equal(show(edges), want, name)
})

t.test('parents that are not copied do not count', async (t) => {
  const [child] = tablesOf('b>>a').filter(({ name }) => name === 'b')
  t.same(copyOrder(child === undefined ? [] : [child]), { levels: new Map([['s.b', 0]]), foreignKeyChecks: false })
})

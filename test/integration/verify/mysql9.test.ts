import t from 'tap'
import { mysql9Skip } from '../mysql9.ts'
import { startCells } from './cells.ts'
import { DATA, fill, LIMITS, NOTE, USER, verified } from './shop.ts'

t.setTimeout(300_000)

const skipMysql = await mysql9Skip()

t.test('MariaDB and MySQL: the same rows are the same, and a difference is one', { skip: skipMysql }, async (t) => {
  await using world = await startCells({ flavours: ['mariadb', 'mysql'], schema: [USER, NOTE], data: DATA, verifier: LIMITS })
  const [a, b] = world.cells
  if (a === undefined || b === undefined) throw new Error('two cells')
  await fill(a, 'xa', 1, 130)
  await fill(b, 'xb', 1001, 130)
  const equal = await verified(a)
  t.same(equal.differences, [])
  t.same((await verified(b)).differences, [])
  t.ok(
    equal.tables.every(({ rows }) => rows >= 260),
    JSON.stringify(equal.tables)
  )
  await b.unseen(
    "DELETE FROM shop.user WHERE id = 3; UPDATE shop.user SET name = CONCAT(name, ' ') WHERE id = 5; UPDATE shop.user SET memo = '' WHERE id = 10"
  )
  await a.unseen('UPDATE shop.user SET ratio = ratio * 1.0000000001 WHERE id = 1002')
  await b.unseen(
    'UPDATE shop.note SET doc = \'{"b": 1.6, "a": [1, "x"]}\' WHERE code = \'n7é\'; UPDATE shop.note SET doc = \'{"a":[1,"x"],"b":1.5}\' WHERE code = \'n8é\''
  )
  const { differences } = await verified(b, { repair: true })
  t.same(
    differences.map(({ key }) => key).toSorted(),
    [
      '{"code": {"hex":"6e37e9"}}',
      '{"id": "10", "part": 1}',
      '{"id": "1002", "part": 0}',
      '{"id": "3", "part": 0}',
      '{"id": "5", "part": 2}'
    ].toSorted()
  )
  t.same((await verified(a)).differences, [], 'mended')
  for (const cell of world.cells) t.same([cell.counted.echoes, cell.errors()], [0, []])
})

t.test('a conflict between the two flavours is answered with a row that both can read', { skip: skipMysql }, async (t) => {
  await using world = await startCells({ flavours: ['mariadb', 'mysql'], schema: [USER, NOTE], data: DATA, verifier: LIMITS })
  const [a, b] = world.cells
  if (a === undefined || b === undefined) throw new Error('two cells')
  await fill(a, 'xa', 1, 5)
  await fill(b, 'xb', 1001, 5)
  await world.quiet()
  await Promise.all([
    b.session.run("UPDATE shop.user SET name = 'of b' WHERE id IN (1, 1001); DELETE FROM shop.note WHERE code = 'n1é'"),
    a.session.run("UPDATE shop.user SET name = 'of a' WHERE id IN (1, 1001); UPDATE shop.note SET doc = '[1]' WHERE code = 'n1001é'")
  ])
  await world.quiet()
  t.same((await verified(a)).differences, [])
  for (const cell of world.cells) {
    const names = await cell.session.rows('SELECT name FROM shop.user WHERE id IN (1, 1001) ORDER BY id')
    t.same(
      names.map(([name]) => name?.toString()),
      ['of a', 'of b'],
      cell.name
    )
    t.equal((await cell.session.rows('SELECT 1 FROM shop.note')).length, 10)
    t.same([cell.counted.echoes, cell.errors()], [0, []])
  }
})

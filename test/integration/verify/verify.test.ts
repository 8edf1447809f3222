import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { contentOf, startCells, until } from './cells.ts'
import { DATA, fill, LIMITS, NOTE, USER, verified } from './shop.ts'

t.setTimeout(300_000)

t.test(
  'equal tables are equal while everybody writes and one stream lags; planted differences are found, and only those; repair mends',
  async (t) => {
    await using world = await startCells({ flavours: ['mariadb', 'mariadb'], schema: [USER, NOTE], data: DATA, verifier: LIMITS })
    const [a, b] = world.cells
    if (a === undefined || b === undefined) throw new Error('two cells')
    await fill(a, 'xa', 1, 200)
    await fill(b, 'xb', 1001, 200)

    await t.test('under load, with lag', async (t) => {
      const load = new AbortController()
      const writers = [
        { cell: a, area: 'xa', low: 1 },
        { cell: b, area: 'xb', low: 1001 }
      ].map(async ({ cell, area, low }) => {
        let writes = 0
        for (let each = 0; !load.signal.aborted; each += 1) {
          const id = low + ((each * 37) % 200)
          await cell.session.run(
            `UPDATE shop.user SET ratio = ratio + 1, name = 'load ${each}' WHERE id = ${id}; INSERT INTO shop.user (id, part, area) VALUES (${5000 + low + each}, 0, '${area}')`
          )
          if (each % 3 === 0) await cell.session.run(`DELETE FROM shop.user WHERE id = ${5000 + low + each - 20} AND part = 0`)
          writes += 1
          await sleep(4)
        }
        return writes
      })
      // One applier stands for a moment: what it has not applied must not count as a difference.
      const applier = b.appliers.get('a')
      await applier?.pause()
      a.verifier.start({ reason: 'test', from: 'b' })
      await sleep(1500)
      await applier?.resume()
      await until('the comparison ends', () => a.verifier.progress().state !== 'running')
      const { tables, differences, state } = a.verifier.progress()
      const opposite = await verified(b)
      load.abort()
      const writes = await Promise.all(writers)
      t.equal(state, 'done')
      t.same(differences, [])
      t.same(opposite.differences, [])
      t.ok(
        tables.every((one) => one.differences === 0 && one.rows >= 400),
        JSON.stringify(tables)
      )
      t.ok(Math.min(...writes) > 50, `${writes.join(' and ')} writes meanwhile`)
      await world.quiet()
      t.equal(await contentOf(b, 'user'), await contentOf(a, 'user'))
    })

    await t.test('each kind of difference, as rows', async (t) => {
      await b.unseen(
        "DELETE FROM shop.user WHERE id = 3; UPDATE shop.user SET price = price + 0.0001 WHERE id = 4; UPDATE shop.user SET name = CONCAT(name, ' ') WHERE id = 5"
      )
      await b.unseen(
        "UPDATE shop.user SET name = UPPER(name) WHERE id = 6; UPDATE shop.user SET memo = '' WHERE id = 10; UPDATE shop.user SET weight = weight * 1.000001 WHERE id = 11"
      )
      await b.unseen(
        "UPDATE shop.user SET kind = 'b' WHERE id = 13; UPDATE shop.user SET mask = mask ^ 1 WHERE id = 14; UPDATE shop.user SET raw = LEFT(raw, 2) WHERE id = 15"
      )
      await b.unseen("INSERT INTO shop.user (id, part, area) VALUES (999, 0, 'xa'), (99999, 0, 'xa')")
      await b.unseen(
        "UPDATE shop.note SET doc = '{\"b\": 1.5, \"a\": [1, \"x\"]}' WHERE code = 'n7é'; UPDATE shop.note SET place = ST_GeomFromText('POINT(7.5 2)') WHERE code = 'n8é'; DELETE FROM shop.note WHERE code = 'n9é'"
      )
      await a.unseen("UPDATE shop.user SET name = 'lost here' WHERE id = 1001")
      const { differences, tables } = await verified(b)
      const found = differences.map(({ table, key, kind }) => `${table} ${key} ${kind}`).toSorted()
      t.same(
        found,
        [
          ...[4, 5, 6, 10, 11, 13, 14, 15, 1001].map((id) => `shop.user {"id": "${id}", "part": ${id % 3}} different`),
          'shop.user {"id": "3", "part": 0} missing here',
          'shop.user {"id": "999", "part": 0} missing there',
          'shop.user {"id": "99999", "part": 0} missing there',
          'shop.note {"code": {"hex":"6e37e9"}} different',
          'shop.note {"code": {"hex":"6e38e9"}} different',
          'shop.note {"code": {"hex":"6e39e9"}} missing here'
        ].toSorted()
      )
      t.match(
        differences.find(({ key }) => key === '{"id": "5", "part": 2}'),
        { here: /load \d+ "|name 5 "/ },
        'both images are shown'
      )
      t.equal(tables.find(({ table }) => table === 'shop.user')?.state, 'different')
      t.equal((await verified(b)).differences.length, found.length, 'looking mends nothing')
    })

    await t.test('repair: each row as its owner has it, through the streams', async (t) => {
      const before = await contentOf(a, 'user')
      const { tables } = await verified(b, { repair: true })
      t.ok(
        tables.every(({ differences, repaired }) => differences === repaired),
        JSON.stringify(tables)
      )
      await world.quiet()
      t.same((await verified(b)).differences, [])
      t.same((await verified(a)).differences, [])
      t.equal(await contentOf(a, 'user'), await contentOf(b, 'user'))
      t.equal((await contentOf(a, 'user')).replace(/^1001.*$/m, ''), before.replace(/^1001.*$/m, ''), 'rows of a are as they were in a')
      t.notMatch(await contentOf(a, 'user'), /lost here/, 'and the row of b as it was in b')
      for (const cell of world.cells) t.same([cell.counted.echoes, cell.errors()], [0, []])
    })
  }
)

t.test('differences of a third cell are mended by the owner, who is asked', async (t) => {
  await using world = await startCells({ flavours: ['mariadb', 'mariadb', 'mariadb'], schema: [USER, NOTE], data: DATA, verifier: LIMITS })
  const [a, b, c] = world.cells
  if (a === undefined || b === undefined || c === undefined) throw new Error('three cells')
  await fill(a, 'xa', 1, 120)
  await world.quiet()
  await c.unseen(
    "UPDATE shop.user SET memo = 'wrong' WHERE id IN (1, 2); DELETE FROM shop.user WHERE id = 77; INSERT INTO shop.user (id, part, area) VALUES (500, 0, 'xa')"
  )
  const { tables } = await verified(b, { from: 'c', repair: true })
  t.match(
    tables.find(({ table }) => table === 'shop.user'),
    { differences: 4, repaired: 4 }
  )
  for (const cell of [b, c]) t.equal(await contentOf(cell, 'user'), await contentOf(a, 'user'), cell.name)
})

t.test('a stream that stands is said, and nothing is called a difference', async (t) => {
  await using world = await startCells({ flavours: ['mariadb', 'mariadb'], schema: [USER, NOTE], data: DATA, verifier: { ...LIMITS, alignMs: 1500 } })
  const [a, b] = world.cells
  if (a === undefined || b === undefined) throw new Error('two cells')
  await b.appliers.get('a')?.pause()
  await fill(a, 'xa', 1, 10)
  a.verifier.start({ reason: 'test' })
  t.throws(() => a.verifier.start({ reason: 'test' }), { code: 'VER_ALREADY_RUNNING' })
  t.throws(() => b.verifier.start({ reason: 'test', from: 'nowhere' }), { code: 'VER_PEER_UNKNOWN' })
  await until('the comparison ends', () => a.verifier.progress().state !== 'running')
  t.match(a.verifier.progress(), { state: 'failed', error: { code: 'VER_NOT_ALIGNED' }, differences: [] })
  t.match(a.verifier.progress().error?.message ?? '', /"cell":"b","behind":"a"/)
})

t.test('all the time, throttled, and from where it was after a restart', async (t) => {
  await using world = await startCells({
    flavours: ['mariadb', 'mariadb'],
    schema: [USER, NOTE],
    data: DATA,
    verifier: { ...LIMITS, rowsPerSecond: 500, passMs: 100 }
  })
  const [a, b] = world.cells
  if (a === undefined || b === undefined) throw new Error('two cells')
  await fill(a, 'xa', 1, 300)
  await world.quiet()
  await b.unseen('UPDATE shop.user SET part = part, memo = NULL WHERE id = 291')
  await until('the difference is found without being asked for', () => a.counted.differences > 0)
  const places = await a.session.rows('SELECT table_name, passes, after_key FROM cellway.verify_progress')
  t.ok(places.length > 0, 'where it is, is written down')
  t.match(a.verifier.progress().differences[0], { table: 'shop.user', key: '{"id": "291", "part": 0}' })
  const { differences } = await verified(a)
  t.equal(differences.length, 1, 'an operator does not wait for it')
})

import { createHash } from 'node:crypto'
import t from 'tap'
import { listConflicts } from '../../../services/replicator/src/repair/conflicts.ts'
import { ConflictDesk } from '../../../services/replicator/src/repair/desk.ts'
import { loadTable } from '../../../services/replicator/src/repair/local-tables.ts'
import { resolveConflict } from '../../../services/replicator/src/repair/resolve.ts'
import { contentOf, startCells, until } from './cells.ts'

/** Fences are off: nothing keeps a cell from writing what is another's. Streams, appliers and repairers are the real ones. */

t.setTimeout(240_000)

const ITEM = 'CREATE TABLE shop.item (id INT PRIMARY KEY, code INT NULL UNIQUE, stock BIGINT, note VARCHAR(40), version INT)'

t.test('whatever each cell writes at the same time, all end as the owner says, and what was refused is recorded', async (t) => {
  await using world = await startCells({ flavours: ['mariadb', 'mariadb', 'mariadb'], schema: [ITEM], data: ['{table: shop.item, space: global}'] })
  const [a, b, c] = world.cells
  if (a === undefined || b === undefined || c === undefined) throw new Error('three cells')
  await a.session.run("INSERT INTO shop.item VALUES (1, 1, 10, 'one', 1), (2, 2, 20, 'two', 1), (3, 3, 30, 'three', 1), (5, 5, 50, 'five', 1)")
  await world.quiet()
  t.equal(await contentOf(c, 'item'), await contentOf(a, 'item'), 'before')
  await Promise.all([
    a.session.run(
      "UPDATE shop.item SET note = 'from a' WHERE id = 1; DELETE FROM shop.item WHERE id = 2; INSERT INTO shop.item VALUES (4, 4, 40, 'a4', 1)"
    ),
    b.session.run(
      "UPDATE shop.item SET note = 'from b' WHERE id = 1; UPDATE shop.item SET stock = 21 WHERE id = 2; INSERT INTO shop.item VALUES (4, 40, 41, 'b4', 1), (6, 6, 60, 'b6', 1)"
    ),
    c.session.run(
      "DELETE FROM shop.item WHERE id = 1; DELETE FROM shop.item WHERE id = 3; UPDATE shop.item SET code = NULL WHERE id = 5; INSERT INTO shop.item VALUES (7, 4, 70, 'c7', 1)"
    )
  ])
  await world.quiet()
  t.equal(await contentOf(a, 'item'), '1|1|10|from a|1\n3|3|30|three|1\n4|4|40|a4|1\n5|5|50|five|1')
  for (const cell of [b, c]) t.equal(await contentOf(cell, 'item'), await contentOf(a, 'item'), cell.name)
  const { conflicts } = await listConflicts(a.session, { state: 'all' })
  t.ok(conflicts.length >= 8, `${conflicts.length} recorded`)
  t.same(
    conflicts.filter((one) => (one.class !== 'foreign_owner' && one.decision !== 'requested') || one.reemit !== 'done'),
    []
  )
  for (const cell of world.cells) {
    t.equal(cell.counted.echoes, 0, 'nothing came back')
    t.same(cell.errors(), [])
  }
})

t.test('policies that take what others write: delta sums, latest wins, columns merge; each cell has the same row', async (t) => {
  const names = ['sums', 'latest', 'merged', 'taken']
  await using world = await startCells({
    flavours: ['mariadb', 'mariadb', 'mariadb'],
    schema: names.map((name) => ITEM.replace('shop.item', `shop.${name}`)),
    data: names.map((name) => `{table: shop.${name}, space: global}`),
    policies: {
      tables: [
        { table: 'shop.sums', policy: 'delta', columns: ['stock'] },
        { table: 'shop.latest', policy: 'latest-wins', column: 'version' },
        { table: 'shop.merged', policy: 'merge-columns' },
        { table: 'shop.taken', policy: 'apply-remote' }
      ]
    }
  })
  const [a, b, c] = world.cells
  if (a === undefined || b === undefined || c === undefined) throw new Error('three cells')
  for (const name of names) await a.session.run(`INSERT INTO shop.${name} VALUES (1, NULL, 10, 'old', 1)`)
  await world.quiet()
  const add = async (cell: typeof a, times: number, by: number): Promise<void> => {
    for (let each = 0; each < times; each += 1) await cell.session.run(`UPDATE shop.sums SET stock = stock + ${by} WHERE id = 1`)
  }
  await Promise.all([
    add(a, 20, 1),
    add(b, 20, 100),
    add(c, 20, 10_000),
    a.session.run("UPDATE shop.latest SET note = 'a', version = 3; UPDATE shop.merged SET note = 'a'; UPDATE shop.taken SET note = 'a'"),
    b.session.run("UPDATE shop.latest SET note = 'b', version = 5; UPDATE shop.merged SET stock = 11; UPDATE shop.taken SET note = 'b'"),
    c.session.run("UPDATE shop.latest SET note = 'c', version = 4; UPDATE shop.merged SET code = 9; UPDATE shop.taken SET note = 'c'")
  ])
  await world.quiet()
  for (const cell of world.cells) {
    t.equal(await contentOf(cell, 'sums'), '1||202030|old|1'.replace('||', '|NULL|'), `${cell.name}: every addition once`)
    t.equal(await contentOf(cell, 'latest'), '1|NULL|10|b|5', `${cell.name}: the highest version`)
    t.equal(await contentOf(cell, 'merged'), '1|9|11|a|1', `${cell.name}: each one's column`)
    t.equal(await contentOf(cell, 'taken'), await contentOf(a, 'taken'), `${cell.name}: the same, whoever came last`)
  }
})

t.test('a value that two owners gave away at the same time: the cell with the lower number keeps its row', async (t) => {
  await using world = await startCells({
    flavours: ['mariadb', 'mariadb', 'mariadb'],
    schema: ['CREATE TABLE shop.login (id INT PRIMARY KEY, area CHAR(2), name VARCHAR(40) UNIQUE)'],
    data: ['{table: shop.login, space: areas, column: area}']
  })
  const [a, b, c] = world.cells
  if (a === undefined || b === undefined || c === undefined) throw new Error('three cells')
  await Promise.all([
    a.session.run("INSERT INTO shop.login VALUES (1, 'xa', 'kim'), (2, 'xa', 'lee')"),
    b.session.run("INSERT INTO shop.login VALUES (11, 'xb', 'kim'), (12, 'xb', 'ann')"),
    c.session.run("INSERT INTO shop.login VALUES (21, 'xc', 'ann'), (22, 'xc', 'lee'), (23, 'xc', 'own')")
  ])
  await world.quiet()
  for (const cell of world.cells) t.equal(await contentOf(cell, 'login'), '1|xa|kim\n2|xa|lee\n12|xb|ann\n23|xc|own', cell.name)
  const { conflicts } = await listConflicts(b.session, { state: 'all' })
  t.ok(
    conflicts.some((one) => one.class === 'unique_clash' && one.key.includes('11')),
    'the row that went is in the records of its owner'
  )

  // Values that swap their rows: each stands in the other's way at those who follow.
  await a.session.run(
    "START TRANSACTION; UPDATE shop.login SET name = 'tmp' WHERE id = 1; UPDATE shop.login SET name = 'kim' WHERE id = 2; UPDATE shop.login SET name = 'lee' WHERE id = 1; COMMIT"
  )
  await world.quiet()
  for (const cell of world.cells) t.equal(await contentOf(cell, 'login'), '1|xa|lee\n2|xa|kim\n12|xb|ann\n23|xc|own', cell.name)
})

t.test('a parked key holds itself alone until somebody decides; then every cell has the decision', async (t) => {
  await using world = await startCells({
    flavours: ['mariadb', 'mariadb', 'mariadb'],
    schema: [ITEM],
    data: ['{table: shop.item, space: global}'],
    policies: { default: { policy: 'park' } }
  })
  const [a, b, c] = world.cells
  if (a === undefined || b === undefined || c === undefined) throw new Error('three cells')
  await a.session.run("INSERT INTO shop.item VALUES (1, NULL, 1, 'x', 1), (2, NULL, 2, 'x', 1), (3, NULL, 3, 'x', 1)")
  await world.quiet()
  await b.session.run(
    "UPDATE shop.item SET note = 'b1' WHERE id = 1; UPDATE shop.item SET note = 'b2' WHERE id = 2; UPDATE shop.item SET note = 'b3' WHERE id = 3"
  )
  await b.session.run("UPDATE shop.item SET note = 'b1 again', stock = 100 WHERE id = 1")
  await world.quiet()
  await a.session.run("INSERT INTO shop.item VALUES (4, NULL, 4, 'flows', 1)")
  await world.quiet()
  t.match(await contentOf(a, 'item'), /1\|NULL\|1\|x\|1[\s\S]*4\|NULL\|4\|flows/, 'held here')
  t.match(await contentOf(c, 'item'), /1\|NULL\|1\|x\|1[\s\S]*4\|NULL\|4\|flows/, 'and kept out there')
  const open = (await listConflicts(a.session, {})).conflicts
  t.equal(open.length, 3)
  const idOf = (id: number): string => open.find((one) => one.key === `{"id": ${id}}`)?.id ?? ''
  const decision = { by: 'op', reason: '看过了' }
  await t.rejects(resolveConflict(c.session, c.context, { id: '999', resolution: 'apply', ...decision }), { code: 'REP_CONFLICT_UNKNOWN' })
  await resolveConflict(a.session, a.context, { id: idOf(1), resolution: 'apply', ...decision })
  await resolveConflict(a.session, a.context, { id: idOf(2), resolution: 'keep', ...decision })
  const edited = await resolveConflict(a.session, a.context, { id: idOf(3), resolution: 'edit', row: '{"note": "edited é"}', ...decision })
  t.match(edited, { resolution: 'edit', resolvedBy: 'op', reemit: 'done' })
  t.match(
    await resolveConflict(a.session, a.context, { id: idOf(3), resolution: 'edit', row: '{"note": "edited é"}', ...decision }),
    { resolution: 'edit' },
    'again: nothing'
  )
  await t.rejects(resolveConflict(a.session, a.context, { id: idOf(3), resolution: 'keep', ...decision }), { code: 'REP_ALREADY_RESOLVED' })
  await world.quiet()
  const want = '1|NULL|100|b1 again|1\n2|NULL|2|x|1\n3|NULL|3|edited é|1\n4|NULL|4|flows|1'
  for (const cell of world.cells) t.equal(Buffer.from(await contentOf(cell, 'item'), 'latin1').toString(), want, cell.name)
  t.equal((await a.session.rows('SELECT 1 FROM cellway.parked_key')).length, 0)
  t.equal((await a.session.rows('SELECT 1 FROM cellway.parked_change')).length, 0)
  const foreign = (await listConflicts(c.session, { state: 'all' })).conflicts.at(0)
  await t.rejects(resolveConflict(c.session, c.context, { id: foreign?.id ?? '', resolution: 'apply', ...decision }), {
    code: 'REP_NOT_ARBITER',
    details: { arbiter: 'a' }
  })
  await until('nothing is owed', async () => (await a.session.rows("SELECT 1 FROM cellway.conflict WHERE reemit = 'pending'")).length === 0)
})

t.test('operators: bulk decisions, and keys that are held without a conflict', async (t) => {
  await using world = await startCells({ flavours: ['mariadb', 'mariadb'], schema: [ITEM], data: ['{table: shop.item, space: global}'] })
  const [a, b] = world.cells
  if (a === undefined || b === undefined) throw new Error('two cells')
  const signal = AbortSignal.timeout(60_000)
  const [deskA, deskB] = [a, b].map(({ context, config }) => new ConflictDesk({ context, config }))
  if (deskA === undefined || deskB === undefined) throw new Error('two desks')
  await a.session.run("INSERT INTO shop.item VALUES (1, NULL, 1, 'a', 1), (2, NULL, 2, 'a', 1), (3, NULL, 3, 'a', 1)")
  await world.quiet()
  await b.session.run("UPDATE shop.item SET note = 'b' WHERE id IN (1, 2)")
  await world.quiet()
  t.match(await deskA.counts(signal), { open: 2, parked: 0 })
  const [newest] = (await deskA.list({ class: 'foreign_owner', source: 'b', table: 'shop.item', limit: 1 }, signal)).conflicts
  const shown = await deskA.show(newest?.id ?? '', signal)
  t.same(shown.columns, [{ column: 'note', before: 'a', after: 'b', current: 'a', result: 'a' }])
  t.equal((await deskA.resolveAll({ class: 'foreign_owner' }, { resolution: 'apply', by: 'op', reason: 'b is right' }, signal)).length, 2)
  await world.quiet()
  for (const cell of world.cells) t.match(await contentOf(cell, 'item'), /1\|NULL\|1\|b\|1\n2\|NULL\|2\|b\|1/, cell.name)
  t.equal((await deskA.counts(signal)).open, 0)

  // The owner's change could not be written here: it waits, until its newest row is asked for.
  const [table] = [await loadTable(b.session, { schema: 'shop', name: 'item' })]
  const hash = createHash('sha256')
    .update(table.plan.keyOf([3, null, null, null, null]))
    .digest('hex')
  await b.unseen(
    `INSERT INTO cellway.parked_key (table_schema, table_name, key_hash, key_text, reason) VALUES ('shop', 'item', X'${hash}', '{"id": 3}', 'orphan')`
  )
  await a.session.run("UPDATE shop.item SET note = 'one' WHERE id = 3; UPDATE shop.item SET note = 'two' WHERE id = 3")
  await world.quiet()
  t.match(await contentOf(b, 'item'), /3\|NULL\|3\|a\|1/, 'held')
  t.match(await deskB.parked(signal), [{ table: 'shop.item', key: '{"id": 3}', reason: 'orphan' }])
  await deskB.resolveParked({ table: 'shop.item', key: '{"id": 3}', action: 'apply', by: 'op', reason: 'parent is there' }, signal)
  await until('the key is lifted', async () => (await deskB.parked(signal)).length === 0)
  await world.quiet()
  t.match(await contentOf(b, 'item'), /3\|NULL\|3\|two\|1/)
  t.equal((await b.session.rows('SELECT 1 FROM cellway.parked_change')).length, 0)
  await deskB.resolveParked({ table: 'shop.item', key: '{"id": 3}', action: 'discard', by: 'op', reason: 'again' }, signal)
})

t.test('a row that does not fit a packet is said, and holds up nothing', async (t) => {
  await using world = await startCells({
    flavours: ['mariadb', 'mariadb'],
    schema: ['CREATE TABLE shop.big (id INT PRIMARY KEY, note VARCHAR(10), doc LONGBLOB)'],
    data: ['{table: shop.big, space: global}']
  })
  const [a, b] = world.cells
  if (a === undefined || b === undefined) throw new Error('two cells')
  await a.session.run("INSERT INTO shop.big VALUES (1, 'a', REPEAT('x', 9000000)), (2, 'a', REPEAT('y', 5000000)), (3, 'a', 'z')")
  await world.quiet()
  await b.unseen("UPDATE shop.big SET note = 'b'")
  const owed = [1, 2, 3].map((id) => `('b', 'mysql', '', 0, 'shop', 'big', '{"id": ${id}}', 'foreign_owner', '', 'keep', 'pending')`)
  await a.session.run(
    `INSERT INTO cellway.conflict (source_cell, store, source_gtid, commit_time_us, table_schema, table_name, key_text, class, policy, decision, reemit)
     VALUES ${owed.join(', ')}`
  )
  await until('all is tried', async () => (await a.session.rows("SELECT 1 FROM cellway.conflict WHERE reemit IN ('done', 'failed')")).length === 3)
  await world.quiet()
  const failed = await a.session.rows("SELECT key_text FROM cellway.conflict WHERE reemit = 'failed'")
  t.same(
    failed.map(([key]) => key?.toString()),
    ['{"id": 1}']
  )
  t.equal(a.repairer.status().failed, 1)
  const notes = await b.session.rows('SELECT note FROM shop.big ORDER BY id')
  t.same(
    notes.map(([note]) => note?.toString()),
    ['b', 'a', 'a'],
    'the others are mended'
  )
})

import { existsSync } from 'node:fs'
import { BinlogDecoder, type ColumnValue, packetsOfFile, type RowsEvent, type TableMap } from '@cellway/mysql-binlog'
import t, { type Test } from 'tap'
import { TYPE_CASES, VIEWS, viewOf } from './every-type.ts'
import { type BinlogSource, type Cell, startSource } from './source.ts'

/** Each type and odd value: what the decoder reads from the binlog equals what the server says it stored. */

const skip = existsSync('/usr/sbin/mariadbd')
  ? false
  : 'SKIPPED, NOT PROVEN: there is no mariadbd on this machine (apt-get install mariadb-server-core)'

t.test('every type of MariaDB', { skip, timeout: 120_000 }, async (t) => {
  await using source = await startSource()
  const rowCount = Math.max(...TYPE_CASES.map(({ values }) => values.length)) + 1
  for (const image of ['FULL', 'MINIMAL', 'NOBLOB']) {
    for (const compress of ['OFF', 'ON']) {
      await t.test(`row image ${image}, log_bin_compress ${compress}, ${source.version}`, async (t) => {
        const { bytes, inserted, updated } = await recordChanges(source, { image, compress, rowCount })
        const { changes, table, types } = decode(bytes)
        t.equal(types.has(166), compress === 'ON', 'compressed events are in use')
        t.same(
          table.columns.map(({ name }) => name),
          ['id', ...TYPE_CASES.map((_, index) => `c${index}`), 'stored', 'virtual']
        )
        t.same(table.primaryKey, [{ column: 0, prefix: 0 }])
        t.same([changes.insert.length, changes.update.length, changes.delete.length], [rowCount, rowCount, rowCount])
        const images = [
          { name: 'insert', images: changes.insert.map(({ after }) => [after, after] as const), server: inserted },
          { name: 'update, before', images: changes.update.map(({ before }) => [before, before] as const), server: inserted },
          { name: 'update, after', images: changes.update.map(({ before, after }) => [before, after] as const), server: updated },
          { name: 'delete', images: changes.delete.map(({ before }) => [before, before] as const), server: updated }
        ]
        for (const one of images) compare(t, one, image)
      })
    }
  }
})

async function recordChanges(source: BinlogSource, { image, compress, rowCount }: { image: string; compress: string; rowCount: number }) {
  const columns = TYPE_CASES.map((_, index) => `c${index}`)
  await source.run(`SET SESSION binlog_row_image = '${image}'; SET GLOBAL log_bin_compress = ${compress}; SET GLOBAL log_bin_compress_min_len = 10`)
  await source.run('DROP TABLE IF EXISTS every, twin')
  const definitions = TYPE_CASES.map(({ definition }, index) => `c${index} ${definition}`)
  const generated = ['stored INT AS (id * 2) STORED', 'virtual INT AS (id * 3) VIRTUAL']
  await source.run(`CREATE TABLE every (id INT PRIMARY KEY, ${[...definitions, ...generated].join(', ')}) CHARACTER SET utf8mb4`)
  await source.run('CREATE TABLE twin LIKE every')
  const rows = Array.from({ length: rowCount }, (_, row) => `(${row + 1}, ${TYPE_CASES.map(({ values }) => values[row] ?? 'NULL').join(', ')})`)
  let inserted: Cell[][] = []
  let updated: Cell[][] = []
  const bytes = await source.record(async () => {
    await source.run(`INSERT INTO every (id, ${columns.join(', ')}) VALUES ${rows.join(', ')}`)
    inserted = await view(source)
    await source.run(`INSERT INTO twin (id, ${columns.join(', ')}) SELECT id, ${columns.join(', ')} FROM every`)
    // Each row takes the values of the next one, so that each column changes from each odd value to another.
    const moves = columns.map((column) => `every.${column} = twin.${column}`)
    await source.run(`UPDATE every JOIN twin ON twin.id = every.id % ${rowCount} + 1 SET ${moves.join(', ')}`)
    updated = await view(source)
    await source.run('DELETE FROM every ORDER BY id')
  })
  return { bytes, inserted, updated }
}

function view(source: BinlogSource): Promise<Cell[][]> {
  const columns = TYPE_CASES.map(({ view }, index) => VIEWS[view].sql(`c${index}`))
  return source.select(`SELECT id, ${columns.join(', ')}, stored, virtual FROM every ORDER BY id`)
}

interface Decoded {
  readonly before: readonly ColumnValue[] | undefined
  readonly after: readonly ColumnValue[] | undefined
}

function decode(bytes: Buffer) {
  const decoder = new BinlogDecoder()
  const changes: Record<RowsEvent['action'], Decoded[]> = { insert: [], update: [], delete: [] }
  const types = new Set<number>()
  let table: TableMap | undefined
  for (const packet of packetsOfFile(bytes)) {
    for (const event of decoder.events(packet)) {
      types.add(event.header.typeCode)
      if (event.kind !== 'rows' || event.table.table !== 'every') continue
      table = event.table
      changes[event.action].push(...event)
    }
  }
  if (table === undefined) throw new Error('no rows')
  return { changes, table, types }
}

/** These have the key only, or all but the BLOBs. */
const BEFORE_IMAGES = new Set(['update, before', 'delete'])

interface Images {
  readonly name: string
  /** The image that has the key, and the one to compare. */
  readonly images: readonly (readonly [Decoded['before'], Decoded['before']])[]
  readonly server: Cell[][]
}

function compare(t: Test, { name, images, server }: Images, image: string): void {
  let present = 0
  for (const [keyed, row = []] of images) {
    const id = Number(keyed?.[0])
    row.forEach((value, column) => {
      const ours = viewOf(value, TYPE_CASES[column - 1]?.view ?? 'text')
      if (ours === 'absent') return
      present++
      const theirs = normal(server[id - 1]?.[column] ?? null, column)
      if (ours !== theirs) t.equal(ours, theirs, `${name}, row ${id}, ${TYPE_CASES[column - 1]?.definition ?? 'own column'}`)
    })
  }
  const all = images.length * (TYPE_CASES.length + 3)
  if (image === 'FULL') t.equal(present, all, `${name}: every value of every row was compared`)
  else
    t.ok(present >= images.length && (present < all || !BEFORE_IMAGES.has(name)), `${name}: ${present} of ${all} values are in the image and equal`)
}

/** The server writes doubles in another notation than JavaScript. */
function normal(text: Cell, column: number): Cell {
  const view = TYPE_CASES[column - 1]?.view
  return text !== null && (view === 'double' || view === 'float') ? String(Number(text)) : text
}

import type { CellValue, FragmentView, Row, RowChange, TableIdentity } from '@cellway/change'
import { changesOf, createTransactionPacker, decodeRecord, joinFragments, readChange } from '@cellway/change'
import { quoteBytes, quoteText } from '@cellway/mysql-value'
import { imagesCorrupt } from './errors.ts'

/**
 * A repair carries the images of its rows in its own row of `cellway.repair`: what the arbiter sends again is mostly a row that it does
 * not change, and a write that changes nothing is not in a binlog, while one that does (a delete and an insert) would fire triggers and
 * cascades. So re-emitting a row touches no data at all; and who applies it needs nothing but this row.
 */
export interface Repair {
  readonly id: string
  readonly cell: string
  /** `repair`: the rows are to be as said. `request`: their arbiter is asked for them. */
  readonly kind: 'repair' | 'request'
  readonly reason: string
  /** Of the conflict in the cell that wrote it; '' for none. */
  readonly conflictId: string
  /** `insert`: the row is to be as `after`. `delete`: it is not to be; `before` may have the key columns alone, all else is absent. */
  readonly rows: readonly RowChange[]
}

const EMPTY = { kind: 'mariadb', gtids: [] } as const
const ORIGIN = { cell: 'repair', store: 'mysql', kind: 'mariadb' } as const
const LENGTH_BYTES = 4

export function isRepairTable({ schema, name }: { readonly schema: string; readonly name: string }): boolean {
  return schema === 'cellway' && name === 'repair'
}

/** Undefined for anything but an insert into `cellway.repair`: its rows are purged some day. @throws REP_IMAGES_CORRUPT, CHANGE_* */
export function repairOf(change: RowChange): Repair | undefined {
  if (change.kind !== 'insert' || !isRepairTable(change.table)) return undefined
  const cells = new Map(change.table.columns.map(({ name }, at) => [name, change.after[at]]))
  const text = (name: string): string => textOf(cells.get(name))
  const kind = text('kind')
  const images = cells.get('images')
  if ((kind !== 'repair' && kind !== 'request') || !(images instanceof Uint8Array)) throw imagesCorrupt({ problem: `a row of kind "${kind}"` })
  return { id: text('id'), cell: text('cell'), kind, reason: text('reason'), conflictId: text('conflict_id'), rows: decodeImages(images) }
}

/** The row that says it all; to be the first that its transaction writes. */
export function repairSql({ id, cell, kind, reason, conflictId, rows }: Repair, createdUs: number): string {
  const values = [id, cell, kind, reason].map((value) => quoteText(value))
  const conflict = conflictId === '' ? 'NULL' : conflictId
  return `INSERT INTO cellway.repair (id, cell, kind, reason, conflict_id, created_us, images)
    VALUES (${values.join(', ')}, ${conflict}, ${createdUs}, ${quoteBytes(encodeImages(rows))})`
}

/** Records of the change codec, each behind its length: a row that is too large for one comes in several. */
export function encodeImages(rows: readonly RowChange[]): Buffer {
  const packer = createTransactionPacker({ origin: ORIGIN, streamEpoch: 0, producerSequence: 0, from: EMPTY, codec: 'none' })
  packer.begin({ id: { kind: 'mariadb-gtid', domain: 0, server: 0, sequence: 0n }, commitTimeUs: 0, originServerId: 0 })
  for (const row of rows) packer.add(row)
  packer.end(EMPTY)
  packer.flush()
  return Buffer.concat(packer.take().flatMap(({ bytes }) => [lengthOf(bytes), bytes]))
}

/** @throws REP_IMAGES_CORRUPT, CHANGE_* */
export function decodeImages(images: Uint8Array): RowChange[] {
  const bytes = Buffer.from(images)
  const rows: RowChange[] = []
  let fragments: FragmentView[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + LENGTH_BYTES <= bytes.length ? at + LENGTH_BYTES + bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY
    if (end > bytes.length) throw imagesCorrupt({ problem: `cut off at ${bytes.length}` })
    const record = decodeRecord(bytes.subarray(at + LENGTH_BYTES, end))
    at = end
    if (record.kind !== 'transactions') throw imagesCorrupt({ problem: 'not rows' })
    for (const transaction of record.transactions()) {
      for (const view of changesOf(transaction)) {
        if (view.kind === 'fragment') {
          fragments.push(view)
          if (!view.last) continue
          rows.push(rowChange(readChange(joinFragments(fragments))))
          fragments = []
        } else rows.push(rowChange(readChange(view)))
      }
    }
  }
  return rows
}

export interface RequestSource {
  readonly cell: string
  readonly store: string
  readonly gtid: string
}

/**
 * What the applier runs for a repair of kind `request`: the rows wait for the repairer as if a conflict had been met. They are nobody's
 * decision, so they do not show as open.
 */
export function requestedSql(
  { kind, reason, rows }: Repair,
  { cell, store, gtid }: RequestSource,
  imageText: (table: TableIdentity, row: Row) => string
): string[] {
  if (kind !== 'request') return []
  return rows.map((row) => {
    const image = row.kind === 'delete' ? row.before : row.after
    const { schema, name } = row.table
    const texts = [cell, store, gtid, schema, name, imageText(row.table, keyOnly(row.table, image)), reason].map((text) => quoteText(text))
    return `INSERT INTO cellway.conflict (source_cell, store, source_gtid, table_schema, table_name, key_text, class, commit_time_us, policy,
      decision, after_image, reemit, resolution) VALUES (${texts.join(', ')}, 0, '', 'requested',
      ${row.kind === 'delete' ? 'NULL' : quoteText(imageText(row.table, image))}, 'pending', 'requested')`
  })
}

/** The image with its key alone. */
export function keyOnly({ keyColumns }: TableIdentity, row: Row): Row {
  return row.map((value, at) => (keyColumns.includes(at) ? value : undefined))
}

function rowChange(change: ReturnType<typeof readChange>): RowChange {
  if (change.kind === 'schema') throw imagesCorrupt({ problem: 'a statement' })
  return change
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32LE(bytes.length)
  return length
}

function textOf(value: CellValue): string {
  if (value === undefined || value === null) return ''
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value)
}

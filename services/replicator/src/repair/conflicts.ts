import type { ConflictDetails, ConflictFilter, ConflictList, ConflictRow } from '@cellway/client'
import { quoteText } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import { conflictUnknown } from './errors.ts'

/** Looking at what was recorded. Deciding is in `resolve.ts`. */

export interface ConflictQuery extends ConflictFilter {
  readonly class?: string
  /** Milliseconds since the epoch. */
  readonly sinceMs?: number
}

const LIST_MAX = 1000
const LIST_DEFAULT = 100
const SHORT = `id, created_at, source_cell, source_gtid, table_schema, table_name, key_text, class, policy, decision, reemit, resolution, resolved_by, resolved_at`
const LONG = `${SHORT}, before_image, after_image, current_image, result_image, space, bucket, origin_epoch, owner_epoch`
/** What the policy decided counts as open until somebody has looked at it: a change was not taken as it came. */
const OPEN = 'resolution IS NULL'

/** Newest first. */
export async function listConflicts(session: Session, query: ConflictQuery): Promise<ConflictList> {
  const limit = Math.max(1, Math.min(query.limit ?? LIST_DEFAULT, LIST_MAX))
  const rows = await session.rows(`SELECT ${SHORT} FROM cellway.conflict WHERE ${conditions(query).join(' AND ')} ORDER BY id DESC LIMIT ${limit}`)
  return { conflicts: rows.map((cells) => shortOf(cells)), open: await countOpen(session) }
}

export async function countOpen(session: Session): Promise<number> {
  const [row] = await session.rows(`SELECT COUNT(*) FROM cellway.conflict WHERE ${OPEN}`)
  return Number(row?.[0]?.toString() ?? 0)
}

export async function countParked(session: Session): Promise<number> {
  const [row] = await session.rows('SELECT COUNT(*) FROM cellway.parked_key')
  return Number(row?.[0]?.toString() ?? 0)
}

/** @throws REP_CONFLICT_UNKNOWN */
export async function showConflict(session: Session, id: string): Promise<ConflictDetails> {
  return readConflict(session, id, '')
}

/** @throws REP_CONFLICT_UNKNOWN */
export async function readConflict(session: Session, id: string, lock: '' | ' FOR UPDATE'): Promise<ConflictDetails> {
  if (!/^\d{1,20}$/.test(id)) throw conflictUnknown({ id })
  const [cells] = await session.rows(`SELECT ${LONG} FROM cellway.conflict WHERE id = ${id}${lock}`)
  if (cells === undefined) throw conflictUnknown({ id })
  const [before, after, current, result, space, bucket, originEpoch, ownerEpoch] = cells.slice(14).map((cell) => cell?.toString() ?? null)
  const number = (text: string | null | undefined): number | null => (text === null || text === undefined ? null : Number(text))
  return {
    ...shortOf(cells),
    before: before ?? null,
    after: after ?? null,
    current: current ?? null,
    result: result ?? null,
    space: space ?? null,
    bucket: bucket ?? null,
    originEpoch: number(originEpoch),
    ownerEpoch: number(ownerEpoch)
  }
}

/** The columns in which the images differ, for people: names and the four values as they stand in the images. */
export interface ColumnDifference {
  readonly column: string
  readonly before: unknown
  readonly after: unknown
  readonly current: unknown
  readonly result: unknown
}

export function columnDifferences({ before, after, current, result }: ConflictDetails): ColumnDifference[] {
  const images = [before, after, current, result].map((text) => (text === null ? undefined : (JSON.parse(text) as Record<string, unknown>)))
  const names = new Set(images.flatMap((image) => Object.keys(image ?? {})))
  const rows: ColumnDifference[] = []
  for (const column of names) {
    const values = images.map((image) => image?.[column])
    const shown = values.filter((_, at) => images[at] !== undefined).map((value) => JSON.stringify(value))
    if (new Set(shown).size > 1) rows.push({ column, before: values[0], after: values[1], current: values[2], result: values[3] })
  }
  return rows
}

/** Ids of the open ones that match, oldest first: what a bulk decision is about. */
export async function openIds(session: Session, query: ConflictQuery, limit: number): Promise<string[]> {
  const rows = await session.rows(
    `SELECT id FROM cellway.conflict WHERE ${conditions({ ...query, state: 'open' }).join(' AND ')} ORDER BY id LIMIT ${limit}`
  )
  return rows.map(([id]) => id?.toString() ?? '')
}

function conditions({ state, table, source, before, class: found, sinceMs }: ConflictQuery): string[] {
  const [schema = '', name = ''] = table?.split('.') ?? []
  return [
    state === 'all' ? 'TRUE' : OPEN,
    ...(table === undefined ? [] : [`table_schema = ${quoteText(schema)}`, `table_name = ${quoteText(name)}`]),
    ...(source === undefined ? [] : [`source_cell = ${quoteText(source)}`]),
    ...(found === undefined ? [] : [`class = ${quoteText(found)}`]),
    ...(before === undefined ? [] : [`id < ${Math.trunc(before)}`]),
    ...(sinceMs === undefined ? [] : [`created_at >= FROM_UNIXTIME(${sinceMs / 1000})`])
  ]
}

function shortOf(cells: readonly (Buffer | null)[]): ConflictRow {
  const texts = cells.slice(0, 14).map((cell) => cell?.toString() ?? null)
  const [id, at, source, gtid, schema, name, key, found, policy, decision, reemit, resolution, resolvedBy, resolvedAt] = texts
  return {
    id: id ?? '',
    at: isoOf(at) ?? '',
    source: source ?? '',
    gtid: gtid ?? '',
    table: `${schema}.${name}`,
    key: key ?? '',
    class: found ?? '',
    policy: policy ?? '',
    decision: decision ?? '',
    reemit: reemit ?? '',
    resolution: resolution ?? null,
    resolvedBy: resolvedBy ?? null,
    resolvedAt: isoOf(resolvedAt) ?? null
  }
}

/** Sessions run in UTC. */
function isoOf(text: string | null | undefined): string | undefined {
  return text === null || text === undefined ? undefined : `${text.replace(' ', 'T')}Z`
}

import type { BinlogUnit, LargeBegin } from '@cellway/mysql-binlog'
import { formatGtid } from '@cellway/mysql-binlog'
import { CELLWAY_SCHEMA } from '../store/schema.ts'
import { markMismatch, statementWrite, xaPrepared } from './errors.ts'
import { placeOf, SKIP_FIX } from './places.ts'
import type { TableRouter } from './tables.ts'

export type Begin = LargeBegin['begin']
export type Part = LargeBegin['parts'][number]
export type Commit = Extract<BinlogUnit, { kind: 'commit' }>

/** What happens to a transaction as a whole; for one that comes in parts it is known from the first of them. */
export type Verdict = 'publish' | 'echo' | 'filter'

export interface VerdictRules {
  readonly tables: Pick<TableRouter, 'classOf' | 'routeOf'>
  /** On MariaDB the id that this cell's appliers write with; undefined where sessions have none of their own. */
  readonly reservedServerId: number | undefined
  /** An operator lets this transaction pass although it cannot be captured. */
  readonly isSkipped: (gtid: string) => boolean
}

const INEXACT: ReadonlySet<string> = new Set(['write', 'unknown', 'rollback-to-savepoint'])

/** Nobody needs to know what its tables are. */
export function isDropped({ tables, isSkipped }: VerdictRules, begin: Begin, parts: readonly Part[]): boolean {
  return isLedByCheckpoint(tables, parts) || isSkipped(formatGtid(begin.gtid))
}

/** Echo or not, by both marks. @throws CAP_MARK_MISMATCH */
export function judge({ tables, reservedServerId, isSkipped }: VerdictRules, begin: Begin, parts: readonly Part[]): Verdict {
  if (isSkipped(formatGtid(begin.gtid))) return 'filter'
  const rows = parts.filter((part) => part.kind === 'rows')
  if (rows.length === 0 && !parts.some((part) => isCarriedDdl(part) || isInexact(part))) return 'filter'
  const isFirst = isLedByCheckpoint(tables, parts)
  // Our own housekeeping has no mark: it leaves the cell in no case.
  if (rows.length > 0 && rows.every(({ table }) => isHousekeeping(tables, table))) return isFirst ? 'echo' : 'filter'
  const isLater = !isFirst && rows.some(({ table }) => tables.classOf(table) === 'checkpoint')
  const hasServerMark = reservedServerId !== undefined && begin.serverId === reservedServerId
  if (isFirst && (hasServerMark || reservedServerId === undefined)) return 'echo'
  if (!isFirst && !isLater && !hasServerMark) return 'publish'
  throw mismatch(begin, isFirst ? 'first' : isLater ? 'later' : 'none')
}

/** A part of a transaction that is not an echo. @throws CAP_MARK_MISMATCH */
export function checkLateMark({ tables }: VerdictRules, begin: Begin, part: Part): void {
  if (part.kind === 'rows' && tables.classOf(part.table) === 'checkpoint') throw mismatch(begin, 'later')
}

/** @throws CAP_STATEMENT_WRITE */
export function checkStatements(begin: Begin, parts: readonly Part[]): void {
  const statement = parts.find((part) => isInexact(part))
  if (statement?.kind !== 'statement') return
  const fix = `Nobody may set binlog_format; write in ROW format only. ${SKIP_FIX}`
  throw statementWrite({ ...placeOf(begin), statement: statement.query.text.slice(0, 500), fix })
}

/** Of a transaction that has something to publish. @throws CAP_XA_PREPARED */
export function checkCommit(begin: Begin, commit: Commit): void {
  if (commit.end.by !== 'xa-prepare') return
  throw xaPrepared({ ...placeOf(begin), fix: `Use transactions of one phase (XA COMMIT … ONE PHASE). ${SKIP_FIX}` })
}

/** For people in the other cells; our own tables are nobody's news. */
export function isCarriedDdl(part: Part): part is Extract<Part, { kind: 'statement' }> {
  return part.kind === 'statement' && part.statement === 'ddl' && part.query.schema !== CELLWAY_SCHEMA && !/\bcellway`?\s*\./i.test(part.query.text)
}

function isInexact(part: Part): boolean {
  return part.kind === 'statement' && INEXACT.has(part.statement)
}

function isLedByCheckpoint(tables: VerdictRules['tables'], parts: readonly Part[]): boolean {
  const first = parts.find((part) => part.kind === 'rows')
  return first?.kind === 'rows' && tables.classOf(first.table) === 'checkpoint'
}

function isHousekeeping(tables: VerdictRules['tables'], table: { readonly schema: string; readonly table: string }): boolean {
  const kind = tables.classOf(table)
  return kind === 'checkpoint' || kind === 'cellway'
}

function mismatch(begin: Begin, checkpointRow: 'first' | 'later' | 'none'): Error {
  const fix = `Find out who wrote it: only an applier updates cellway.checkpoint first and has the reserved server id. ${SKIP_FIX}`
  return markMismatch({ ...placeOf(begin), serverId: begin.serverId, checkpointRow, fix })
}

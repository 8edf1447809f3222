import type { TableMap } from './columns.ts'
import { orderBroken } from './errors.ts'
import type { BinlogEvent, FormatEvent, GtidEvent, HeartbeatEvent, IncidentEvent, QueryEvent, StatementContextEvent, XaId } from './events.ts'
import { HEADER_FLAG } from './events.ts'
import { formatGtid, type Gtid } from './gtid.ts'
import type { RowsEvent } from './rows-event.ts'
import { type StatementKind, statementKind } from './statement-kind.ts'

/** Where the stream is, for people: file and offset change with the server, a GTID does not. */
export interface FilePosition {
  readonly file: string
  /** Undefined where the server does not say it. */
  readonly offset: bigint | undefined
}

/** What a transaction consists of, in the order of the stream. `begin` … (`rows` | `statement`)* … `commit` or `rollback`. */
export type BinlogUnit =
  | { readonly kind: 'begin'; readonly gtid: Gtid; readonly serverId: number; readonly event: GtidEvent; readonly position: FilePosition }
  /** `query` is the statement behind the rows, if the source logs it. */
  | { readonly kind: 'rows'; readonly rows: RowsEvent; readonly table: TableMap; readonly query: Buffer | undefined }
  | { readonly kind: 'statement'; readonly query: QueryEvent; readonly statement: StatementKind; readonly context: readonly StatementContextEvent[] }
  | { readonly kind: 'commit'; readonly gtid: Gtid; readonly end: CommitKind; readonly position: FilePosition }
  /** Nothing of this transaction happened. */
  | { readonly kind: 'rollback'; readonly gtid: Gtid; readonly reason: 'rollback' | 'source-restart'; readonly position: FilePosition }
  | { readonly kind: 'heartbeat'; readonly event: HeartbeatEvent }
  | { readonly kind: 'format'; readonly event: FormatEvent }
  | { readonly kind: 'incident'; readonly event: IncidentEvent }
  | { readonly kind: 'unknown'; readonly typeCode: number; readonly bodyBytes: number; readonly position: FilePosition }

export type CommitKind =
  | { readonly by: 'xid'; readonly xid: bigint }
  /** COMMIT, or XA COMMIT in one phase. */
  | { readonly by: 'query' }
  /** One statement that needs no COMMIT: DDL, mostly. */
  | { readonly by: 'standalone' }
  /** Prepared only: the rows take effect when a later transaction says XA COMMIT. */
  | { readonly by: 'xa-prepare'; readonly xid: XaId }

interface OpenTransaction {
  readonly gtid: Gtid
  readonly event: GtidEvent
  /** A BEGIN was seen: a COMMIT must come, whatever the statements are. */
  readonly begun: boolean
}

export interface AssemblerState {
  readonly file: string
  readonly open: OpenTransaction | undefined
  /** Of the statement that follows. */
  readonly query: Buffer | undefined
  readonly context: readonly StatementContextEvent[]
}

export const ASSEMBLER_START: AssemblerState = { file: '', open: undefined, query: undefined, context: [] }

/** Context events before one statement; a server writes a handful, and LOAD DATA in statement format is refused anyway. */
const CONTEXT_MAX = 1024

export interface Assembled {
  readonly state: AssemblerState
  readonly units: readonly BinlogUnit[]
}

/**
 * One event further. Holds no rows: each goes out as it comes, so that whoever calls decides what to keep and what to spill.
 * @throws BINLOG_ORDER
 */
export function assemble(state: AssemblerState, event: BinlogEvent): Assembled {
  switch (event.kind) {
    case 'rotate':
      return { state: { ...state, file: event.file }, units: [] }
    case 'format':
      return restart(state, event)
    case 'gtid':
      return begin(state, event)
    case 'rows':
      return rows(state, event)
    case 'rows-query':
      return { state: { ...state, query: event.query }, units: [] }
    case 'statement-context':
      if (state.context.length >= CONTEXT_MAX) throw broken(event, 'context events without a statement')
      return { state: { ...state, context: [...state.context, event] }, units: [] }
    case 'query':
      return query(state, event)
    case 'xid':
      return commit(state, event, { by: 'xid', xid: event.xid })
    case 'xa-prepare':
      return commit(state, event, event.onePhase ? { by: 'query' } : { by: 'xa-prepare', xid: event.xid })
    case 'heartbeat':
    case 'incident':
      return { state, units: [{ kind: event.kind, event } as BinlogUnit] }
    case 'unknown':
      return { state, units: [{ kind: 'unknown', typeCode: event.typeCode, bodyBytes: event.bodyBytes, position: positionOf(state, event) }] }
    case 'transaction-payload':
      throw broken(event, 'a transaction payload that was not opened')
    default:
      // Table maps reach the caller with their rows; lists of GTIDs, checkpoints, stops and ignorable events carry no change.
      return { state, units: [] }
  }
}

/** A server that starts writes a format event with its start time; what was open in the file before was rolled back by its recovery. */
function restart(state: AssemblerState, event: FormatEvent): Assembled {
  const unit: BinlogUnit = { kind: 'format', event }
  const restarted = event.created !== 0 && (event.header.flags & HEADER_FLAG.artificial) === 0
  if (state.open === undefined || !restarted) return { state, units: [unit] }
  const gone: BinlogUnit = { kind: 'rollback', gtid: state.open.gtid, reason: 'source-restart', position: positionOf(state, event) }
  return { state: closed(state), units: [gone, unit] }
}

function begin(state: AssemblerState, event: GtidEvent): Assembled {
  if (state.open !== undefined) throw broken(event, `${formatGtid(event.gtid)} begins within ${formatGtid(state.open.gtid)}`)
  // MariaDB's GTID event is the BEGIN, unless it says that one statement stands alone.
  const begun = event.standalone === false && event.xa !== 'complete'
  const unit: BinlogUnit = { kind: 'begin', gtid: event.gtid, serverId: event.header.serverId, event, position: positionOf(state, event) }
  return { state: { ...state, open: { gtid: event.gtid, event, begun } }, units: [unit] }
}

function rows(state: AssemblerState, event: RowsEvent): Assembled {
  if (state.open === undefined) throw broken(event, 'rows outside of a transaction')
  const unit: BinlogUnit = { kind: 'rows', rows: event, table: event.table, query: state.query }
  return { state: event.endOfStatement && state.query !== undefined ? { ...state, query: undefined } : state, units: [unit] }
}

function query(state: AssemblerState, event: QueryEvent): Assembled {
  const { open } = state
  const kind = statementKind(event.text)
  if (open === undefined) throw broken(event, 'a statement outside of a transaction')
  if (kind === 'begin') return { state: { ...state, open: { ...open, begun: true } }, units: [] }
  if (kind === 'commit' && open.begun) return commit(state, event, { by: 'query' })
  if (kind === 'rollback' && open.begun) {
    return { state: closed(state), units: [{ kind: 'rollback', gtid: open.gtid, reason: 'rollback', position: positionOf(state, event) }] }
  }
  const after = { ...state, query: undefined, context: [] }
  const unit: BinlogUnit = { kind: 'statement', query: event, statement: kind, context: state.context }
  // XA START opens what XA_PREPARE or XA COMMIT ONE PHASE ends; XA END stands in between.
  if (kind === 'xa' && /^\s*XA\s+(?:START|BEGIN)\b/i.test(event.text)) return { state: { ...after, open: { ...open, begun: true } }, units: [unit] }
  if (open.begun) return { state: after, units: [unit] }
  const { units, state: done } = commit(after, event, { by: 'standalone' })
  return { state: done, units: [unit, ...units] }
}

function commit(state: AssemblerState, event: BinlogEvent, end: CommitKind): Assembled {
  const { open } = state
  if (open === undefined) throw broken(event, 'a commit outside of a transaction')
  return { state: closed(state), units: [{ kind: 'commit', gtid: open.gtid, end, position: positionOf(state, event) }] }
}

function closed(state: AssemblerState): AssemblerState {
  return { file: state.file, open: undefined, query: undefined, context: [] }
}

function positionOf({ file }: AssemblerState, { header }: BinlogEvent): FilePosition {
  return { file, offset: header.endPosition === 0 ? undefined : BigInt(header.endPosition) }
}

function broken({ header }: BinlogEvent, reason: string): Error {
  return orderBroken({ offset: 0, eventType: header.typeCode, position: header.endPosition, reason })
}

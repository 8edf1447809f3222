import type { ByteCursor } from './byte-cursor.ts'
import type { Flavour } from './columns.ts'
import type { BinlogEvent, EventHeader } from './events.ts'
import { readCheckpoint, readHeartbeat, readHeartbeatV2, readIncident, readRotate, readTransactionPayload, readXaPrepare } from './read-control.ts'
import { readGtidList, readMariadbGtid, readMysqlGtid, readPreviousGtids, readTaggedGtid } from './read-gtid.ts'
import { readIntvar, readQuery, readRand, readUserVariable } from './read-query.ts'

export type ReadBody = (cursor: ByteCursor, header: EventHeader, flavour: Flavour) => BinlogEvent

/** Events that need nothing of the stream's past, by type code. Those with a past (format, table map, rows) are the decoder's own. */
export function bodyReaders(inflatedBytesMax: number): ReadonlyMap<number, ReadBody> {
  const query = (compressed: boolean, load: boolean): ReadBody => {
    return (cursor, header) => readQuery(cursor, header, { compressed, load, inflatedBytesMax })
  }
  return new Map<number, ReadBody>([
    [2, query(false, false)],
    [3, (_cursor, header) => ({ kind: 'stop', header })],
    [4, readRotate],
    [5, readIntvar],
    [9, readLoadData],
    [11, readLoadData],
    [13, readRand],
    [14, readUserVariable],
    [16, (cursor, header) => ({ kind: 'xid', header, xid: cursor.u64() })],
    [17, readLoadData],
    [18, query(false, true)],
    [26, readIncident],
    [27, readHeartbeat],
    [28, readIgnorable],
    [29, readRowsQuery],
    [33, readMysqlGtid],
    [34, readMysqlGtid],
    [35, readPreviousGtids],
    [36, readIgnorable],
    [37, readIgnorable],
    [38, readXaPrepare],
    [40, readTransactionPayload],
    [41, readHeartbeatV2],
    [42, readTaggedGtid],
    [160, (cursor, header) => ({ kind: 'rows-query', header, query: cursor.rest() })],
    [161, readCheckpoint],
    [162, readMariadbGtid],
    [163, readGtidList],
    [165, query(true, false)]
  ])
}

/** Group replication's transaction context (36) and view change (37), and what a server marks as ignorable by its type (28). */
function readIgnorable(_cursor: ByteCursor, header: EventHeader): BinlogEvent {
  return { kind: 'ignorable', header, typeCode: header.typeCode }
}

/** MySQL's statement behind rows. The first byte is a length that wraps at 255; the statement is what is left. */
function readRowsQuery(cursor: ByteCursor, header: EventHeader): BinlogEvent {
  cursor.skip(1)
  return { kind: 'rows-query', header, query: cursor.rest() }
}

function readLoadData(cursor: ByteCursor, header: EventHeader): BinlogEvent {
  return { kind: 'statement-context', header, what: 'load-data', name: undefined, values: [BigInt(cursor.u32())] }
}

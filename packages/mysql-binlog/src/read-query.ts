import type { ByteCursor } from './byte-cursor.ts'
import { malformed } from './errors.ts'
import type { EventHeader, QueryEvent, StatementContextEvent } from './events.ts'
import { inflateEventBody } from './inflate.ts'

interface QueryShape {
  /** MariaDB's event 165: only the statement itself is compressed. */
  readonly compressed: boolean
  /** Event 18, LOAD DATA in statement format: file id, two offsets and a flag stand before the status variables. */
  readonly load: boolean
  readonly inflatedBytesMax: number
}

const LOAD_HEAD_BYTES = 13

/** Events 2, 165, 18. @throws BINLOG_TRUNCATED, BINLOG_INFLATE */
export function readQuery(cursor: ByteCursor, header: EventHeader, { compressed, load, inflatedBytesMax }: QueryShape): QueryEvent {
  const threadId = cursor.u32()
  const executionSeconds = cursor.u32()
  const schemaBytes = cursor.u8()
  const errorCode = cursor.u16()
  const statusBytes = cursor.u16()
  if (load) cursor.skip(LOAD_HEAD_BYTES)
  const statusVariables = cursor.view(statusBytes)
  const schema = cursor.text(schemaBytes)
  if (cursor.u8() !== 0) throw malformed({ ...cursor.place(), reason: 'a schema name without its end' })
  const query = compressed ? inflateEventBody(cursor, inflatedBytesMax) : cursor.rest()
  return {
    kind: 'query',
    header,
    threadId,
    executionSeconds,
    errorCode,
    schema,
    query,
    statusVariables,
    // Read on demand: a stream of row events looks at few statements.
    get text() {
      return query.toString('utf8')
    }
  }
}

export function readIntvar(cursor: ByteCursor, header: EventHeader): StatementContextEvent {
  const what = cursor.u8() === 1 ? 'last-insert-id' : 'insert-id'
  return { kind: 'statement-context', header, what, name: undefined, values: [cursor.u64()] }
}

export function readRand(cursor: ByteCursor, header: EventHeader): StatementContextEvent {
  return { kind: 'statement-context', header, what: 'rand', name: undefined, values: [cursor.u64(), cursor.u64()] }
}

export function readUserVariable(cursor: ByteCursor, header: EventHeader): StatementContextEvent {
  return { kind: 'statement-context', header, what: 'user-variable', name: cursor.text(cursor.u32()), values: [] }
}

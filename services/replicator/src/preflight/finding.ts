/** One precondition that does not hold. The order of the findings is the order in which to mend them. */
export interface Finding {
  /** `PRE_…`; match on this. */
  readonly code: FindingCode
  /** An error makes changes be lost, doubled or refused; a warning makes it likely, or hides it. */
  readonly level: 'error' | 'warning'
  /** What was found, with its value. */
  readonly what: string
  /** Runnable as it stands, one statement per line, by an account that administers the server. Absent where no statement can mend it. */
  readonly fixSql?: string
  /** A line of the server's or of Cellway's configuration: what makes the statement last, or the only way. */
  readonly fixConfig?: string
  readonly why: string
}

/** Every finding there is, and in one sentence why it matters. */
export const WHY = {
  PRE_LOG_BIN: 'Changes are read from the binary log; without one nothing leaves this cell.',
  PRE_BINLOG_FORMAT: 'A statement in the binary log does not say which rows it changed, so the capture stops at it.',
  PRE_ROW_IMAGE: 'Conflicts are found by comparing whole rows; with partial images an absent column cannot be told from an unchanged one.',
  PRE_ROW_METADATA: 'Without names, signs and character sets in the log, a row read after an ALTER is decoded with the wrong columns.',
  PRE_ROW_VALUE_OPTIONS: 'Patches of JSON values only fit the very same old value, which another cell may not have.',
  PRE_BINLOG_CHECKSUM: 'Without checksums a damaged event is applied in every cell before anybody notices.',
  PRE_BINLOG_FILTER: 'Writes of a filtered schema never reach the binary log, and without the marks in the schema cellway every change would loop.',
  PRE_BINLOG_RETENTION: 'A replicator that was away for longer than the binary logs are kept cannot go on; the cell has to be filled again.',
  PRE_SYNC_BINLOG: 'After a crash the server can lack what was already sent to other cells, and the histories fork.',
  PRE_FLUSH_LOG: 'After a crash the tables can lack what the binary log has, and the cells differ.',
  PRE_ORDER_COMMITS: 'The order of the log has to be the order in which rows became visible; positions mean nothing otherwise.',
  PRE_LOG_REPLICA_UPDATES: 'Changes that reach this server by its own replication would not be in its binary log, and no other cell would get them.',
  PRE_GTID_MODE: 'Positions are GTIDs: file names and offsets do not survive a change of the primary.',
  PRE_GTID_STRICT: 'Without strict mode the server writes the same GTID twice in silence, and one of the two changes is skipped everywhere.',
  PRE_SERVER_ID: 'A server without an id of its own refuses replicas, or takes their events for its own.',
  PRE_SERVER_ID_RESERVED: 'This id marks changes that were applied here; real writes under it would be taken for echoes and dropped.',
  PRE_SERVER_ID_TWICE: 'Two servers with one id give the same GTIDs to different changes.',
  PRE_GTID_DOMAIN: 'Cells that share a domain cannot be told apart by their GTIDs once one of them is restored or promoted from another.',
  PRE_AUTO_INCREMENT: 'Two cells that count in the same steps give the same id to different rows.',
  PRE_READ_ONLY: 'Changes of other cells cannot be written.',
  PRE_PACKET_SIZE: 'A row larger than this can be written elsewhere but not here, and stops its stream.',
  PRE_LOCK_WAIT: 'An applier that meets a lock of the application stands still for that long before it tries row by row.',
  PRE_EVENTS: 'The same scheduled event runs in every cell, and each cell replicates what its own run wrote.',
  PRE_SEMI_SYNC: 'With rpo zero a commit must wait until the change is safe outside; without it a lost cell loses commits.',
  PRE_SEMI_SYNC_TIMEOUT: 'After this time a commit returns although its change has not left the building.',
  PRE_SEMI_SYNC_POINT: 'Other clients would see a change before it is safe outside.',
  PRE_SEMI_SYNC_ALONE: 'While no replicator is connected, commits would not wait at all.',
  PRE_TABLE_UNDECLARED: 'A write to a table of which nobody said where it belongs stops the capture.',
  PRE_TABLE_MISSING: 'Changes of this table from other cells stop their streams here.',
  PRE_COLUMN_MISSING: 'Without the routing key in the row nobody can tell which cell may write it.',
  PRE_TABLE_NO_KEY: 'A row without a key cannot be found again in another cell.',
  PRE_TABLE_ENGINE: 'A table without transactions keeps half of a change after a crash, and its position is not stored with it.',
  PRE_TABLE_VERSIONED: 'Row versions of the past are written by each server with its own clock and are not equal in two cells.',
  PRE_TRIGGER: 'What the trigger wrote in the first cell arrives as a change, and the trigger fires again where it is applied.',
  PRE_FOREIGN_KEY_CASCADE:
    'Rows that a cascade changes are not in the binary log: conflicts on them are not seen, and every cell needs the same foreign key.',
  PRE_FOREIGN_KEY_ACROSS: 'The two rows belong to different cells or do not travel together, so the check fails where they are applied.',
  PRE_GRANT_MISSING: 'The replicator cannot do its work without it.',
  PRE_ACCOUNT_HIDES_WRITES: 'Such an account can write past the binary log, and the cells differ without a trace.'
} as const

export type FindingCode = keyof typeof WHY

type Parts = Pick<Finding, 'what' | 'fixSql' | 'fixConfig'>

export function errorFinding(code: FindingCode, parts: Parts): Finding {
  return { code, level: 'error', ...parts, why: WHY[code] }
}

export function warningFinding(code: FindingCode, parts: Parts): Finding {
  return { code, level: 'warning', ...parts, why: WHY[code] }
}

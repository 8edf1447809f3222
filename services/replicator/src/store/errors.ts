import { defineError } from '@cellway/base'

/** What can go wrong between a replicator and the database of its cell. `docs/errors.md` lists every row. */

export const connectFailed = defineError<{ host: string; port: number; user: string; problem: string }>({
  code: 'STO_CONNECT_FAILED',
  message: 'The database of the cell cannot be reached, or refuses the account',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** Whether the last COMMIT came through is unknown: read the checkpoint again. */
export const connectionLost = defineError<{ problem: string }>({
  code: 'STO_CONNECTION_LOST',
  message: 'The connection to the database of the cell was lost',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const statementTimeout = defineError<{ timeoutMs: number; statement: string }>({
  code: 'STO_TIMEOUT',
  message: 'The database of the cell did not answer in time; the connection was closed',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** `errno` is the server's. `index` says which statement of the packet; the ones behind it did not run. */
export const statementFailed = defineError<{ errno: number; sqlState: string; problem: string; index: number; statement: string }>({
  code: 'STO_STATEMENT_FAILED',
  message: 'The database of the cell refused a statement',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

export const versionUnsupported = defineError<{ version: string; supported: string }>({
  code: 'STO_VERSION_UNSUPPORTED',
  message: 'This version of the database is not supported',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

/** Without it MariaDB would not mark what is applied, and the capture would stop at a mark that does not agree. */
export const serverIdRefused = defineError<{ serverId: number; user: string; statement: string }>({
  code: 'STO_SERVER_ID_REFUSED',
  message: 'The account may not set the reserved server id of its session',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

export const schemaNewer = defineError<{ part: string; found: number; known: number }>({
  code: 'STO_SCHEMA_NEWER',
  message: 'The tables of the schema cellway were made by a newer version',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

export const schemaBusy = defineError<{ waitedSeconds: number }>({
  code: 'STO_SCHEMA_BUSY',
  message: 'Another process holds the lock of the schema cellway',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

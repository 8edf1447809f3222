import type { FastifyBaseLogger } from 'fastify'
import { Redis } from 'ioredis'
import mysql, { type ExecuteValues, type Pool, type PoolConnection, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise'
import type { AppConfig } from './config.ts'

/** Connections per process: more only moves the queue into the database. */
const MYSQL_CONNECTIONS = 16
/** Requests that wait for a connection; beyond it the caller gets 503 at once instead of a late answer. */
const MYSQL_QUEUE_MAX = 512
const MYSQL_STATEMENT_MS = 5000
const REDIS_COMMAND_MS = 2000
const CONNECT_MS = 2000
/** A deadlock's victim was rolled back by the server, so trying again is safe; three times is enough for any honest load. */
const DEADLOCK_ATTEMPTS = 3

export interface Stores extends AsyncDisposable {
  readonly db: Database
  readonly redis: Redis
}

/** Prepared statements only: values never become part of the SQL text. */
export interface Statements {
  rows<Row>(sql: string, values: ExecuteValues[]): Promise<Row[]>
  run(sql: string, values: ExecuteValues[]): Promise<ResultSetHeader>
}

export interface Database extends Statements {
  /** Runs `work` in one transaction: commits its result, rolls back whatever it throws, repeats it after a deadlock. */
  transaction<Result>(work: (statements: Statements) => Promise<Result>): Promise<Result>
}

/** Connects lazily: the process starts, and says so, while a store is still down. */
export function openStores(config: AppConfig, log: FastifyBaseLogger): Stores {
  const pool = mysql.createPool({
    ...config.mysql,
    connectionLimit: MYSQL_CONNECTIONS,
    queueLimit: MYSQL_QUEUE_MAX,
    connectTimeout: CONNECT_MS,
    charset: 'utf8mb4_bin',
    timezone: 'Z',
    // A BIGINT does not fit into a JavaScript number: all of them are strings, so that none is ever rounded.
    supportBigNumbers: true,
    bigNumberStrings: true
  })
  const redis = new Redis({
    ...config.redis,
    connectTimeout: CONNECT_MS,
    commandTimeout: REDIS_COMMAND_MS,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(attempt * 100, 1000),
    // A command whose answer got lost may have run: sending INCR again would count twice.
    autoResendUnfulfilledCommands: false
  })
  redis.on('error', (error) => log.warn({ err: error, store: 'redis' }, 'store connection failed'))
  return {
    db: database(pool),
    redis,
    [Symbol.asyncDispose]: async () => {
      redis.disconnect()
      await pool.end()
    }
  }
}

function database(pool: Pool): Database {
  return {
    ...statements(pool),
    transaction: async (work) => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await attemptTransaction(pool, work)
        } catch (error) {
          if (!isDeadlock(error) || attempt === DEADLOCK_ATTEMPTS) throw error
        }
      }
    }
  }
}

async function attemptTransaction<Result>(pool: Pool, work: (statements: Statements) => Promise<Result>): Promise<Result> {
  const connection = await pool.getConnection()
  try {
    await connection.beginTransaction()
    const result = await work(statements(connection))
    await connection.commit()
    connection.release()
    return result
  } catch (error) {
    await rollback(connection)
    throw error
  }
}

async function rollback(connection: PoolConnection): Promise<void> {
  try {
    await connection.rollback()
    connection.release()
  } catch {
    // The connection is gone, and with it the transaction; the error that brought us here tells more.
    connection.destroy()
  }
}

function statements(target: Pool | PoolConnection): Statements {
  return {
    rows: async <Row>(sql: string, values: ExecuteValues[]) => {
      const [rows] = await target.execute<RowDataPacket[]>({ sql, timeout: MYSQL_STATEMENT_MS }, values)
      return rows as Row[]
    },
    run: async (sql, values) => {
      const [result] = await target.execute<ResultSetHeader>({ sql, timeout: MYSQL_STATEMENT_MS }, values)
      return result
    }
  }
}

function isDeadlock(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ER_LOCK_DEADLOCK'
}

import type { Socket } from 'node:net'
import { SESSION_SQL } from '@cellway/mysql-value'
import type { Connection, ConnectionOptions } from 'mysql2'
import { createConnection } from 'mysql2'
import { connectFailed, connectionLost, serverIdRefused, statementTimeout } from './errors.ts'
import type { Flavour } from './flavour.ts'
import { detectFlavour } from './flavour.ts'
import type { RawRow } from './raw-cells.ts'
import type { Sql, StatementResult } from './raw-query.ts'
import { runRaw } from './raw-query.ts'
import { errnoOf, SERVER_ERROR } from './server-errors.ts'

/** Where a database is and who logs in; secrets are resolved already. */
export interface MysqlConfig {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** PEM texts. `verify: false` encrypts without proving who the server is. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly verify: boolean }
  readonly connectTimeoutMs?: number
  /** Of one packet of statements. */
  readonly statementTimeoutMs?: number
}

export interface SessionOptions {
  /** `applier`: what it writes carries the marks of an applied transaction. */
  readonly role: 'applier' | 'plain'
  /** Of an applier on MariaDB: no server has it. */
  readonly reservedServerId?: number
  /** Ends the session, whatever it waits for. */
  readonly signal: AbortSignal
}

/** One connection with every session variable that matters set. Statements run one after the other. */
export interface Session extends AsyncDisposable {
  readonly connection: Connection
  readonly flavour: Flavour
  readonly version: string
  /** Bytes of one packet that the server takes. */
  readonly packetBytesMax: number
  /** All statements of one packet. @throws STO_STATEMENT_FAILED, STO_CONNECTION_LOST, STO_TIMEOUT, the signal's reason */
  run(sql: Sql, options?: { readonly timeoutMs?: number }): Promise<StatementResult[]>
  /** The result of the last statement. */
  query(sql: Sql): Promise<StatementResult>
  /** Rows of the last statement, byte for byte. */
  rows(sql: Sql): Promise<readonly RawRow[]>
  /** Rows as objects: texts, and numbers where they are exact. For what people or the dictionary say, not for data. */
  records(sql: string): Promise<Record<string, string | number | null>[]>
  close(): Promise<void>
}

export const RESERVED_SERVER_ID_BASE = 4_000_000_000
const CONNECT_TIMEOUT_MS = 10_000
/** A transaction of a million rows commits within it on a slow disk. */
const STATEMENT_TIMEOUT_MS = 300_000
const QUIT_TIMEOUT_MS = 1000
/** LOCAL INFILE is a hole, IGNORE_SPACE changes the parser, query attributes change the packet. */
const FLAGS = ['-LOCAL_FILES', '-IGNORE_SPACE', '-CLIENT_QUERY_ATTRIBUTES', '-SESSION_TRACK']
/** Protocol types whose text is a whole number or fits one: TINY, SHORT, LONG, LONGLONG, INT24, YEAR. */
const INTEGER_TYPES = new Set([1, 2, 3, 8, 9, 13])

/** The id that the appliers of a cell write with. */
export function reservedServerId(cellNumber: number): number {
  return RESERVED_SERVER_ID_BASE + cellNumber
}

/** @throws STO_CONNECT_FAILED, STO_VERSION_UNSUPPORTED, STO_SERVER_ID_REFUSED, the signal's reason */
export async function openSession(config: MysqlConfig, options: SessionOptions): Promise<Session> {
  options.signal.throwIfAborted()
  const connection = await connected(config, options.signal)
  const session = new OpenSession(connection, config, options.signal)
  try {
    await session.prepare(options)
    return session
  } catch (cause) {
    await session.close()
    throw cause
  }
}

function connected(config: MysqlConfig, signal: AbortSignal): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const connection = createConnection(connectionOptions(config))
    const onAbort = (): void => {
      connection.destroy()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    connection.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(connection)
    })
    connection.on('error', (cause: Error) => {
      signal.removeEventListener('abort', onAbort)
      const { host, port, user } = config
      reject(connectFailed({ host, port, user, problem: cause.message }, { cause }))
    })
  })
}

function connectionOptions({ host, port, user, password, tls, connectTimeoutMs }: MysqlConfig): ConnectionOptions {
  const ssl = tls === undefined ? {} : { ssl: { ...withoutUndefined(tls), rejectUnauthorized: tls.verify, verifyIdentity: tls.verify } }
  return {
    host,
    port,
    user,
    password,
    charset: 'utf8mb4',
    multipleStatements: true,
    flags: FLAGS,
    enableKeepAlive: true,
    connectTimeout: connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    ...ssl
  }
}

function withoutUndefined({ ca, cert, key }: NonNullable<MysqlConfig['tls']>): { ca?: string; cert?: string; key?: string } {
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) }
}

class OpenSession implements Session {
  readonly connection: Connection
  readonly #config: MysqlConfig
  readonly #signal: AbortSignal
  readonly #timeoutMs: number
  readonly #socket: Socket
  #flavour: Flavour = 'mariadb'
  #version = ''
  #packetBytesMax = 0
  #broken: Error | undefined
  #busy: Promise<unknown> = Promise.resolve()

  constructor(connection: Connection, config: MysqlConfig, signal: AbortSignal) {
    this.connection = connection
    this.#config = config
    this.#signal = signal
    this.#timeoutMs = config.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS
    this.#socket = (connection as unknown as { readonly stream: Socket }).stream
    connection.on('error', (cause: Error) => {
      this.#broken ??= connectionLost({ problem: cause.message }, { cause })
    })
    this.#socket.once('close', () => {
      this.#broken ??= connectionLost({ problem: 'the server closed the connection' })
    })
  }

  get flavour(): Flavour {
    return this.#flavour
  }

  get version(): string {
    return this.#version
  }

  get packetBytesMax(): number {
    return this.#packetBytesMax
  }

  async prepare({ role, reservedServerId }: SessionOptions): Promise<void> {
    const [row] = await this.rows('SELECT VERSION(), @@max_allowed_packet')
    this.#version = row?.[0]?.toString() ?? ''
    this.#packetBytesMax = Number(row?.[1]?.toString() ?? 0)
    this.#flavour = detectFlavour(this.#version)
    const { flavour } = this
    await this.run([...SESSION_SQL(flavour), 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', ...sessionLimits(flavour)].join(';\n'))
    if (role === 'applier' && flavour === 'mariadb' && reservedServerId !== undefined) await this.#reserve(reservedServerId)
  }

  run(sql: Sql, { timeoutMs = this.#timeoutMs } = {}): Promise<StatementResult[]> {
    const after = this.#busy.then(() => this.#exchange(sql, timeoutMs))
    this.#busy = after.catch(() => undefined)
    return after
  }

  async query(sql: Sql): Promise<StatementResult> {
    const last = (await this.run(sql)).at(-1)
    if (last === undefined) throw connectionLost({ problem: 'no result for a statement' })
    return last
  }

  async rows(sql: Sql): Promise<readonly RawRow[]> {
    return (await this.query(sql)).rows
  }

  async records(sql: string): Promise<Record<string, string | number | null>[]> {
    const { columns, rows } = await this.query(sql)
    return rows.map((row) => Object.fromEntries(columns.map(({ name, type }, at) => [name, plain(row[at] ?? null, type)])))
  }

  async close(): Promise<void> {
    if (this.#broken === undefined && !this.#signal.aborted) {
      this.#broken = connectionLost({ problem: 'the session was closed' })
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, QUIT_TIMEOUT_MS)
        this.connection.end(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    this.connection.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #exchange(sql: Sql, timeoutMs: number): Promise<StatementResult[]> {
    const signal = this.#signal
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        this.#socket.removeListener('close', onClose)
      }
      const giveUp = (cause: unknown): void => {
        end()
        this.connection.destroy()
        reject(cause)
      }
      const onAbort = (): void => giveUp(signal.reason)
      const onClose = (): void => giveUp(connectionLost({ problem: 'the server closed the connection' }))
      const timer = setTimeout(() => giveUp(statementTimeout({ timeoutMs, statement: typeof sql === 'string' ? sql.slice(0, 200) : '' })), timeoutMs)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#socket.once('close', onClose)
      runRaw(this.connection, sql).then(
        (results) => {
          end()
          resolve(results)
        },
        (cause: unknown) => {
          end()
          reject(cause)
        }
      )
    })
  }

  async #reserve(serverId: number): Promise<void> {
    try {
      await this.run(`SET SESSION server_id = ${serverId}`)
    } catch (cause) {
      const { user } = this.#config
      if (errnoOf(cause) !== SERVER_ERROR.privilegeMissing) throw cause
      throw serverIdRefused({ serverId, user, statement: `GRANT BINLOG REPLAY ON *.* TO '${user}'@'…'` }, { cause })
    }
  }
}

/** An idle replicator keeps its sessions; a statement is ended by our own clock. */
function sessionLimits(flavour: Flavour): readonly string[] {
  const common = [
    // Whoever holds a row for longer is not waited for in one go, but again and again, and it shows as retries.
    'SET SESSION innodb_lock_wait_timeout = 10',
    'SET SESSION wait_timeout = 604800',
    'SET SESSION net_write_timeout = 600',
    'SET SESSION net_read_timeout = 600'
  ]
  // Long lists of keys must stay ranges of an index: MariaDB would make a join of them, MySQL would give up and scan.
  const ranges = flavour === 'mariadb' ? 'SET SESSION in_predicate_conversion_threshold = 0' : 'SET SESSION range_optimizer_max_mem_size = 0'
  const unlimited = flavour === 'mariadb' ? 'SET SESSION max_statement_time = 0' : 'SET SESSION max_execution_time = 0'
  return [...common, ranges, unlimited]
}

function plain(cell: Buffer | null, type: number): string | number | null {
  if (cell === null) return null
  const text = cell.toString()
  if (!INTEGER_TYPES.has(type)) return text
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : text
}

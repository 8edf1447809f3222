import { isCellwayError } from '@cellway/base'
import { formatPosition, type Position } from '@cellway/change'
import type { MysqlConfig, Session } from '../store/session.ts'
import { openSession } from '../store/session.ts'
import { DumpCommand, type WireConnection } from './dump-command.ts'
import { mariadbDumpPacket, mysqlDumpPacket, readerServerId, readerUuid, semiSyncReply } from './dump-packets.ts'
import { fencedByReader, sourceLost } from './errors.ts'
import { HEARTBEAT_PERIOD_MS, SETUP_TIMEOUT_MS, SILENT_PERIODS_MAX } from './limits.ts'
import { checkSource } from './source-checks.ts'

export interface ReplicaOptions {
  readonly mysql: MysqlConfig
  readonly cell: string
  readonly cellNumber: number
  /** The first transaction that comes is the first one that is not in it. */
  readonly position: Position
  readonly semiSync: boolean
  readonly signal: AbortSignal
  readonly heartbeatPeriodMs?: number
  /** One binlog event; a view into the socket's memory. `acknowledge`: the source waits for `acknowledge()` of what is up to here. */
  onEvent(event: Buffer, acknowledge: boolean): void
  /** The socket has nothing more for now. */
  onIdle(): void
}

/** One connection that reads the binlog. It is given up as a whole when anything is wrong with it. */
export interface Replica {
  /** Rejects when the link is over: CAP_SOURCE_LOST, or an error that a new link would not end. */
  readonly ended: Promise<never>
  pause(): void
  resume(): void
  acknowledge(file: string, offset: bigint): void
  /** Ends it at once. */
  destroy(cause: unknown): void
}

/**
 * @throws CAP_SOURCE_SETTINGS, CAP_SOURCE_BEHIND, CAP_POSITION_LOST, CAP_SOURCE_LOST, STO_CONNECT_FAILED, the signal's reason
 */
export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const setup = AbortSignal.any([options.signal, AbortSignal.timeout(SETUP_TIMEOUT_MS)])
  // The session lives as long as the caller's signal; only the way to the dump has a time limit of its own.
  const life = new AbortController()
  const giveUp = (): void => life.abort(setup.reason)
  setup.addEventListener('abort', giveUp, { once: true })
  try {
    setup.throwIfAborted()
    const session = await openSession(options.mysql, { role: 'plain', signal: life.signal })
    try {
      await checkSource(session, options.position, setup)
      await session.run(setupSql(session, options))
      return new OpenReplica(session, options)
    } catch (cause) {
      session.connection.destroy()
      throw cause
    }
  } catch (cause) {
    options.signal.throwIfAborted()
    throw isCellwayError(cause) ? cause : sourceLost({ problem: String(cause) }, { cause })
  } finally {
    setup.removeEventListener('abort', giveUp)
  }
}

/** User variables of the session; a server reads those it knows. */
function setupSql({ flavour }: Session, { cell, position, semiSync, heartbeatPeriodMs = HEARTBEAT_PERIOD_MS }: ReplicaOptions): string {
  const period = heartbeatPeriodMs * 1_000_000
  const common = [
    'SET @master_binlog_checksum = @@global.binlog_checksum',
    `SET @master_heartbeat_period = ${period}`,
    ...(semiSync ? ['SET @rpl_semi_sync_slave = 1'] : [])
  ]
  if (flavour === 'mariadb') {
    return [
      ...common,
      // Without it the server hides GTIDs, and turns what it thinks an old reader does not know into dummies.
      'SET @mariadb_slave_capability = 4',
      `SET @slave_connect_state = '${formatPosition(position)}'`
    ].join(';\n')
  }
  const uuid = readerUuid(cell)
  return [
    ...common,
    'SET @source_binlog_checksum = @@global.binlog_checksum',
    `SET @source_heartbeat_period = ${period}`,
    `SET @slave_uuid = '${uuid}'`,
    `SET @replica_uuid = '${uuid}'`,
    ...(semiSync ? ['SET @rpl_semi_sync_replica = 1'] : [])
  ].join(';\n')
}

class OpenReplica implements Replica {
  readonly ended: Promise<never>
  readonly #session: Session
  readonly #wire: WireConnection
  readonly #command: DumpCommand
  readonly #options: ReplicaOptions
  readonly #watch: NodeJS.Timeout
  #silentPeriods = 0
  #paused = false
  #idleScheduled = false
  #over = false

  constructor(session: Session, options: ReplicaOptions) {
    this.#session = session
    this.#options = options
    this.#wire = session.connection as unknown as WireConnection
    const { position, cellNumber, semiSync } = options
    const serverId = readerServerId(cellNumber)
    const request = position.kind === 'mysql' ? mysqlDumpPacket(serverId, position) : mariadbDumpPacket(serverId)
    const { promise, reject } = Promise.withResolvers<never>()
    this.ended = promise
    // Whoever opens it awaits this; until then an end is not an unhandled one.
    promise.catch(() => {})
    const onEnd = (cause: unknown): void => {
      this.#close()
      reject(options.signal.aborted ? options.signal.reason : withServerId(cause, serverId))
    }
    const handler = { onEvent: (event: Buffer, acknowledge: boolean): void => this.#take(event, acknowledge), onEnd }
    this.#command = new DumpCommand(request, { handler, position: formatPosition(position), semiSync })
    this.#watch = setInterval(() => this.#checkSilence(), options.heartbeatPeriodMs ?? HEARTBEAT_PERIOD_MS)
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
    session.connection.on('error', (cause: Error) => this.#command.onResult(cause))
    this.#wire.stream.once('close', () => this.#command.onResult(null))
    this.#wire.addCommand(this.#command)
  }

  pause(): void {
    if (this.#paused || this.#over) return
    this.#paused = true
    this.#wire.pause()
  }

  resume(): void {
    if (!this.#paused || this.#over) return
    this.#paused = false
    this.#silentPeriods = 0
    this.#wire.resume()
  }

  acknowledge(file: string, offset: bigint): void {
    if (!this.#over) this.#wire.write(semiSyncReply(file, offset))
  }

  destroy(cause: unknown): void {
    this.#command.end(cause)
  }

  readonly #onAbort = (): void => this.#command.end(this.#options.signal.reason)

  #take(event: Buffer, acknowledge: boolean): void {
    this.#silentPeriods = 0
    this.#options.onEvent(event, acknowledge)
    if (this.#idleScheduled) return
    this.#idleScheduled = true
    // Runs when every packet of this read of the socket was taken.
    process.nextTick(() => {
      this.#idleScheduled = false
      if (!this.#over) this.#options.onIdle()
    })
  }

  /** Counted in ticks, so that a process that was stopped itself does not take its own silence for the server's. */
  #checkSilence(): void {
    if (this.#paused) return
    this.#silentPeriods += 1
    if (this.#silentPeriods <= SILENT_PERIODS_MAX) return
    this.#command.end(sourceLost({ problem: `nothing heard for ${SILENT_PERIODS_MAX} heartbeats: the link is dead` }))
  }

  #close(): void {
    this.#over = true
    clearInterval(this.#watch)
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    // Not `end`: a dead link would not take the goodbye, and a live one need not be told.
    this.#wire.stream.destroy()
    this.#session.connection.destroy()
  }
}

function withServerId(cause: unknown, serverId: number): unknown {
  if (!isCellwayError(cause) || cause.code !== fencedByReader.definition.code) return cause
  return fencedByReader({ serverId, problem: String(cause.details.problem) }, { cause })
}

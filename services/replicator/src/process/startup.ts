import { setTimeout as delay } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { Logger } from '@cellway/telemetry'
import { type CompiledSnapshot, cellNumbers } from '@cellway/topology'
import { type BootstrapGate, loadGate } from '../bootstrap/apply-gate.ts'
import type { ReplicatorConfig, ReplicatorSecrets } from '../config.ts'
import { cellUnknown, preconditionsMissing } from '../errors.ts'
import { type Finding, type PreflightRole, preflight } from '../preflight/preflight.ts'
import type { Flavour } from '../store/flavour.ts'
import { ensureSchema } from '../store/schema.ts'
import { type MysqlConfig, openSession, reservedServerId } from '../store/session.ts'
import { beginEpoch, type TakenEpoch } from './epoch.ts'
import { type Explanation, explainError } from './explain.ts'
import type { OwnedTopologyView } from './topology-view.ts'

/** What the parts of this process work with. */
export interface Started {
  /** Of this process: one more than any before. */
  readonly epoch: number
  /** Rejects when the epoch did not become durable. */
  readonly committed: Promise<void>
  readonly flavour: Flavour
  readonly version: string
  readonly cellNumber: number
  /** What a copy of another cell, begun by an earlier process, asks of the appliers. */
  readonly gate: BootstrapGate
}

export interface StartupOptions {
  readonly config: ReplicatorConfig
  readonly secrets: ReplicatorSecrets
  readonly topology: OwnedTopologyView
  readonly store: string
  readonly log: Logger
  readonly signal: AbortSignal
  /** `blocked`: only an operator can make it go on; it is looked at again all the same. */
  readonly onWaiting: (phase: 'starting' | 'blocked', why: Explanation) => void
}

/** Between two looks at a store that is away or not set up: short against the time in which people mend things. */
const RETRY_MS = 2_000

/**
 * Session, preconditions, schema, epoch: in this order, because each needs the one before. Tried again for as long as it takes:
 * a process that ends and is started again would say less. @throws the signal's reason
 */
export async function startUp(options: StartupOptions): Promise<Started> {
  const { signal, log, onWaiting } = options
  let said = ''
  const kept: Kept = { taken: undefined }
  while (true) {
    try {
      return await attempt(options, kept)
    } catch (error) {
      signal.throwIfAborted()
      const why = explainError(error)
      onWaiting(isBlocking(error) ? 'blocked' : 'starting', why)
      const saying = `${why.code} ${why.reason}`
      if (saying !== said) log.warn({ err: error, code: why.code, statement: why.statement }, 'the replicator cannot start yet; it goes on trying')
      said = saying
    }
    await delay(RETRY_MS, undefined, { signal })
  }
}

/** Over the attempts of one process. */
interface Kept {
  taken: TakenEpoch | undefined
}

async function attempt({ config, secrets, topology, store, signal, onWaiting }: StartupOptions, kept: Kept): Promise<Started> {
  if (topology.version() === 0) onWaiting('starting', { reason: 'waiting for the first topology', code: null, statement: null })
  const compiled = topology.version() === 0 ? await topology.newerThan(0, signal) : topology.current()
  const number = numberOf(config.cell, compiled)
  await using session = await openSession(secrets.mysql, { role: 'plain', signal })
  const found = await examine({ config, secrets, compiled, signal })
  requireNone(found.filter(({ code }) => !code.startsWith(SEMI_SYNC)))
  await ensureSchema(session)
  const gate = await loadGate(session)
  kept.taken ??= await beginEpoch(secrets.mysql, store, signal)
  // Only now: once commits wait for the capture, what it needs to begin could no longer be written.
  requireNone(found.filter(({ code }) => code.startsWith(SEMI_SYNC)))
  const { epoch, committed } = kept.taken
  return { epoch, committed, flavour: session.flavour, version: session.version, cellNumber: number, gate }
}

const SEMI_SYNC = 'PRE_SEMI_SYNC'

/** @throws RPL_PRECONDITIONS_MISSING */
function requireNone(findings: readonly Finding[]): void {
  const errors = findings.filter(({ level }) => level === 'error')
  if (errors.length > 0)
    throw preconditionsMissing({
      findings: errors.map(({ what }) => what),
      statements: errors.flatMap(({ fixSql }) => (fixSql === undefined ? [] : [fixSql]))
    })
}

export interface ExamineOptions {
  readonly config: ReplicatorConfig
  readonly secrets: ReplicatorSecrets
  readonly compiled: CompiledSnapshot
  readonly signal: AbortSignal
}

/** Every precondition, looked at with the accounts that will do the work. @throws STO_*, RPL_CELL_UNKNOWN */
export async function examine({ config, secrets, compiled, signal }: ExamineOptions): Promise<readonly Finding[]> {
  const number = numberOf(config.cell, compiled)
  const look = async (account: MysqlConfig, role: PreflightRole): Promise<readonly Finding[]> => {
    await using session = await openSession(account, { role: 'plain', signal })
    return await preflight(session, {
      snapshot: compiled.snapshot,
      cell: config.cell,
      role,
      reservedServerId: reservedServerId(number),
      rpo: config.rpo,
      applierUser: secrets.applier.user
    })
  }
  if (secrets.applier.user === secrets.mysql.user) return look(secrets.mysql, 'both')
  const found = [...(await look(secrets.mysql, 'capture')), ...(await look(secrets.applier, 'apply'))]
  // What both accounts see of the server is said once.
  return [...new Map(found.map((finding) => [`${finding.code} ${finding.what}`, finding])).values()]
}

function numberOf(cell: string, { snapshot }: CompiledSnapshot): number {
  const numbers = cellNumbers(snapshot.topology)
  const found = [...numbers].find(([id]) => id === cell)
  if (found === undefined) throw cellUnknown({ cell, known: [...numbers.keys()] })
  return found[1]
}

/** A database that is away comes back; a setting that is wrong stays so until somebody changes it. */
function isBlocking(error: unknown): boolean {
  return isCellwayError(error) && (error.retry !== 'later' || error.code === 'RPL_PRECONDITIONS_MISSING')
}

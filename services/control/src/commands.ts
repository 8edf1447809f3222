import { createHash } from 'node:crypto'
import type { CellwayError, Clock } from '@cellway/base'
import { canonicalJson } from '@cellway/base'
import type { Comparison, Put, Store } from '@cellway/store'
import { prepareAudit } from './audit/audit-log.ts'
import type { AuditEvent } from './audit/record.ts'
import { commandContended, idempotencyMismatch } from './errors.ts'
import { IDEMPOTENCY_PREFIX, VERSION_KEY } from './keys.ts'
import { createSerial } from './serial.ts'
import type { CurrentState, Published } from './state/current.ts'
import type { Actor } from './tokens/token.ts'
import type { TokenRegistry } from './tokens/token-registry.ts'

export interface CommandResponse {
  readonly status: number
  readonly body: unknown
}

/** What a command wants to happen; made from the current state, stored as a whole or made again. */
export type CommandPlan =
  | {
      readonly kind: 'change'
      readonly compare: readonly Comparison[]
      readonly puts: readonly Put[]
      readonly deletes: readonly string[]
      readonly target: string
      readonly before: unknown
      readonly after: unknown
      readonly response: CommandResponse
      /** What a repetition of the command is answered, if not the same (a secret is shown once). */
      readonly replay?: CommandResponse
      /** Which view must contain the change before the caller is answered. */
      readonly waitsFor: 'state' | 'tokens'
    }
  | { readonly kind: 'unchanged'; readonly response: CommandResponse }

export interface CommandContext {
  readonly actor: Actor
  readonly action: string
  readonly reason: string | null
  readonly requestId: string
  readonly idempotency?: { readonly key: string; readonly fingerprint: string }
}

export interface Commands {
  /** @throws whatever the plan throws, CTL_IDEMPOTENCY_MISMATCH, CTL_CONTENDED, CTL_BUSY, STORE_* */
  run(context: CommandContext, plan: (current: Published | undefined) => CommandPlan): Promise<CommandResponse & { readonly replayed: boolean }>
  /** Writes to the audit log what is about to be asked of another process. @throws CTL_CONTENDED, CTL_BUSY, STORE_* */
  recordOrder(context: CommandContext & { readonly target: string; readonly after: unknown }): Promise<void>
  /** Writes the refused attempt to the audit log. */
  recordRefusal(context: CommandContext & { readonly target: string | null }, error: CellwayError): Promise<void>
  idle(): Promise<void>
}

export interface CommandsOptions {
  readonly store: Store
  readonly state: CurrentState
  readonly tokens: TokenRegistry
  readonly clock: Clock
  readonly onCommit: (facts: { action: string; outcome: 'done' | 'refused'; seq: number; revision: number; durationMs: number }) => void
}

/** Administrative changes come a few per second at most; each takes about one fsync. */
const WAITING_MAX = 256
const ATTEMPTS_MAX = 10
const CATCH_UP_TIMEOUT_MS = 5000

/** Changes happen one after the other; each commit holds the change, its audit record and its idempotency key, or nothing. */
export function createCommands({ store, state, tokens, clock, onCommit }: CommandsOptions): Commands {
  const serial = createSerial({ waitingMax: WAITING_MAX })

  async function attempt(
    context: CommandContext,
    plan: (current: Published | undefined) => CommandPlan
  ): Promise<(CommandResponse & { replayed: boolean }) | undefined> {
    const earlier = await findReplay(store, context)
    if (earlier !== undefined) return { ...earlier, replayed: true }
    const planned = plan(state.published())
    if (planned.kind === 'unchanged') return { ...planned.response, replayed: false }
    const startedMs = clock.monotonicMs()
    const { actor, action, reason, requestId } = context
    const { target, before, after, replay, response } = planned
    const audit = await prepareAudit(store, {
      at: nowIso(clock),
      actor,
      action,
      outcome: 'done',
      reason,
      target,
      before,
      after,
      error: null,
      requestId
    })
    const remembered = rememberReplay(context, replay ?? response, clock.nowMs())
    const result = await store.commit({
      compare: [...planned.compare, audit.compare, ...remembered.compare],
      puts: [...planned.puts, ...audit.puts, ...remembered.puts],
      deletes: planned.deletes
    })
    if (result.kind === 'conflict') return undefined
    await (planned.waitsFor === 'state' ? state : tokens).waitFor(result.revision, AbortSignal.timeout(CATCH_UP_TIMEOUT_MS))
    onCommit({ action, outcome: 'done', seq: audit.record.seq, revision: result.revision, durationMs: clock.monotonicMs() - startedMs })
    return { ...response, replayed: false }
  }

  async function runWithRetries(
    context: CommandContext,
    plan: (current: Published | undefined) => CommandPlan
  ): Promise<CommandResponse & { replayed: boolean }> {
    for (let number = 1; number <= ATTEMPTS_MAX; number += 1) {
      const done = await attempt(context, plan)
      if (done !== undefined) return done
      // Another control process was faster: plan again on what it left.
      const version = await store.get(VERSION_KEY)
      if (version !== undefined) await state.waitFor(version.revision, AbortSignal.timeout(CATCH_UP_TIMEOUT_MS))
    }
    throw commandContended({ attempts: ATTEMPTS_MAX })
  }

  /** An audit record alone. */
  async function record(
    { actor, action, reason, requestId }: CommandContext,
    facts: Pick<AuditEvent, 'outcome' | 'target' | 'after' | 'error'>
  ): Promise<void> {
    for (let number = 1; number <= ATTEMPTS_MAX; number += 1) {
      const startedMs = clock.monotonicMs()
      const audit = await prepareAudit(store, { at: nowIso(clock), actor, action, reason, before: null, requestId, ...facts })
      const result = await store.commit({ compare: [audit.compare], puts: audit.puts })
      if (result.kind === 'conflict') continue
      const durationMs = clock.monotonicMs() - startedMs
      onCommit({ action, outcome: facts.outcome, seq: audit.record.seq, revision: result.revision, durationMs })
      return
    }
    throw commandContended({ attempts: ATTEMPTS_MAX })
  }

  return {
    run: (context, plan) => serial.run(() => runWithRetries(context, plan)),
    recordOrder: (context) => serial.run(() => record(context, { outcome: 'done', target: context.target, after: context.after, error: null })),
    recordRefusal: (context, error) =>
      serial.run(() => record(context, { outcome: 'refused', target: context.target, after: null, error: shortened(error) })),
    idle: serial.idle
  }
}

/** Two requests are the same command if all of this is the same. */
export function fingerprintOf(request: {
  readonly method: string
  readonly url: string
  readonly ifMatch: string | undefined
  readonly body: unknown
}): string {
  return createHash('sha256').update(canonicalJson(request)).digest('hex')
}

export interface StoredReplay extends CommandResponse {
  readonly fingerprint: string
  readonly atMs: number
}

async function findReplay(store: Store, { actor, idempotency }: CommandContext): Promise<CommandResponse | undefined> {
  if (idempotency === undefined) return undefined
  const stored = await store.get(replayKey(actor, idempotency.key))
  if (stored === undefined) return undefined
  const { fingerprint, status, body } = JSON.parse(stored.value) as StoredReplay
  if (fingerprint !== idempotency.fingerprint) throw idempotencyMismatch({})
  return { status, body }
}

function rememberReplay(
  { actor, idempotency }: CommandContext,
  { status, body }: CommandResponse,
  atMs: number
): { compare: readonly Comparison[]; puts: readonly Put[] } {
  if (idempotency === undefined) return { compare: [], puts: [] }
  const key = replayKey(actor, idempotency.key)
  return {
    compare: [{ key, absent: true }],
    puts: [{ key, value: JSON.stringify({ fingerprint: idempotency.fingerprint, status, body, atMs } satisfies StoredReplay) }]
  }
}

/** Keys belong to the token that used them: nobody reads another one's answers by guessing. */
function replayKey(actor: Actor, key: string): string {
  const owner = actor.kind === 'token' ? actor.id : actor.kind
  return IDEMPOTENCY_PREFIX + createHash('sha256').update(`${owner}\n${key}`).digest('hex')
}

const REFUSAL_DETAILS_MAX = 8 * 1024

/** A refused attempt may carry a thousand problems; the log keeps what fits. */
function shortened(error: CellwayError): unknown {
  const { code, message, details } = error.toJSON()
  const text = JSON.stringify(details)
  return text.length <= REFUSAL_DETAILS_MAX
    ? { code, message, details }
    : { code, message, details: `${text.slice(0, REFUSAL_DETAILS_MAX)}…`.toWellFormed() }
}

function nowIso(clock: Clock): string {
  return new Date(clock.nowMs()).toISOString()
}

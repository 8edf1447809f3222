import { setTimeout as sleep } from 'node:timers/promises'
import { type CellwayError, isCellwayError } from '@cellway/base'
import { decodeSnapshot, type Snapshot } from '@cellway/topology'
import { type Dispatcher, request } from 'undici'
import type { MemberKind } from './api.ts'
import { epochLowered, heartbeatLost, responseInvalid, unreachable, watchEnded } from './errors.ts'
import { readLines } from './lines.ts'
import { isObject, parseJson, parseServerError } from './transport.ts'

export interface WatchOptions {
  /** The version that is already adopted; 0 for none. */
  readonly have: number
  /** The adopted snapshot, if known: guards against epochs that go down. */
  readonly current?: Snapshot
  readonly member: string
  readonly kind: MemberKind
  readonly cell: string
  readonly signal: AbortSignal
  readonly onState?: (state: WatchState) => void
  readonly tuning?: Partial<WatchTuning>
}

export type WatchState =
  | { readonly kind: 'connecting'; readonly url: string }
  | { readonly kind: 'connected'; readonly url: string }
  /** A heartbeat, or a snapshot that is about to be given out: at this moment `version` was control's newest. */
  | { readonly kind: 'confirmed'; readonly url: string; readonly version: number }
  /** Control knows less than we have, as after a restore from an old copy. What we have stays. */
  | { readonly kind: 'behind'; readonly url: string; readonly version: number; readonly have: number }
  /** A snapshot came that must not be adopted. */
  | { readonly kind: 'refused'; readonly url: string; readonly error: CellwayError }
  | { readonly kind: 'disconnected'; readonly url: string; readonly error: CellwayError; readonly retryInMs: number }

export interface WatchTuning {
  /** Control sends a heartbeat every 2 s; three lost ones are a dead connection. */
  readonly heartbeatTimeoutMs: number
  /** The first wait after a failure is up to this long, doubled each time. */
  readonly backoffFirstMs: number
  readonly backoffMaxMs: number
  /** From 0 to 1; spreads the waits of many clients. */
  readonly random: () => number
}

const DEFAULTS: WatchTuning = { heartbeatTimeoutMs: 6000, backoffFirstMs: 200, backoffMaxMs: 5000, random: Math.random }

/** Characters of one line: four times the largest snapshot. */
const LINE_LENGTH_MAX = 32 * 1024 * 1024

export interface WatchTarget {
  readonly urls: readonly string[]
  readonly token: string
  readonly dispatcher: Dispatcher
}

/** What the watch knows across connections. */
interface Progress {
  have: number
  current: Snapshot | undefined
  failures: number
}

export async function* watchSnapshots(target: WatchTarget, options: WatchOptions): AsyncGenerator<Snapshot, void, undefined> {
  const { signal, onState = () => undefined } = options
  const tuning = { ...DEFAULTS, ...options.tuning }
  const progress: Progress = { have: options.have, current: options.current, failures: 0 }
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const url = target.urls[attempt % target.urls.length] ?? ''
    onState({ kind: 'connecting', url })
    try {
      yield* watchOnce({ url, target, options, tuning, progress, onState })
    } catch (cause) {
      if (signal.aborted) return
      const retryInMs = backoffMs(progress.failures, tuning)
      progress.failures += 1
      onState({ kind: 'disconnected', url, error: asError(cause, url), retryInMs })
      await sleep(retryInMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

interface Connection {
  readonly url: string
  readonly target: WatchTarget
  readonly options: WatchOptions
  readonly tuning: WatchTuning
  readonly progress: Progress
  readonly onState: (state: WatchState) => void
}

/** One connection, until it fails; never ends in peace. */
async function* watchOnce({ url, target, options, tuning, progress, onState }: Connection): AsyncGenerator<Snapshot, void, undefined> {
  const cut = new AbortController()
  const timeoutMs = tuning.heartbeatTimeoutMs
  const lost = (): void => cut.abort(heartbeatLost({ url, timeoutMs }))
  let silence = setTimeout(lost, timeoutMs)
  try {
    const response = await connect({ url, target, options, progress, signal: AbortSignal.any([options.signal, cut.signal]) })
    onState({ kind: 'connected', url })
    const tooLong = (): CellwayError => responseInvalid({ call: 'watch', problem: 'a line is too long' })
    for await (const line of readLines(response.body, { bytesMax: LINE_LENGTH_MAX, onChunk: () => silence.refresh(), tooLong })) {
      const snapshot = readLine(line, { url, progress, onState })
      if (snapshot === undefined) continue
      // The consumer's time does not count as silence; control meanwhile sends nothing that we do not read.
      clearTimeout(silence)
      yield snapshot
      silence = setTimeout(lost, timeoutMs)
    }
  } catch (cause) {
    throw cut.signal.aborted ? cut.signal.reason : cause
  } finally {
    clearTimeout(silence)
    cut.abort(watchEnded({ url }))
  }
  throw watchEnded({ url })
}

async function connect(wanted: {
  url: string
  target: WatchTarget
  options: WatchOptions
  progress: Progress
  signal: AbortSignal
}): Promise<Dispatcher.ResponseData> {
  const { url, target, options, progress, signal } = wanted
  const query = new URLSearchParams({ have: String(progress.have), member: options.member, kind: options.kind, cell: options.cell })
  const response = await request(`${url}/v1/watch?${query}`, {
    dispatcher: target.dispatcher,
    signal,
    headers: { authorization: `Bearer ${target.token}` },
    bodyTimeout: 0
  })
  if (response.statusCode !== 200) throw parseServerError(await response.body.text(), response.statusCode, 'watch')
  return response
}

function readLine(line: string, { url, progress, onState }: Pick<Connection, 'url' | 'progress' | 'onState'>): Snapshot | undefined {
  const value = parseJson(line)
  if (!isObject(value) || typeof value.type !== 'string') throw responseInvalid({ call: 'watch', problem: 'a line is not one of control' })
  if (value.type === 'heartbeat') {
    const { version } = value
    if (typeof version !== 'number') throw responseInvalid({ call: 'watch', problem: 'a heartbeat without a version' })
    if (version === progress.have) progress.failures = 0
    onState(version < progress.have ? { kind: 'behind', url, version, have: progress.have } : { kind: 'confirmed', url, version })
    return undefined
  }
  // A newer control may send kinds of lines that we do not know; they are a sign of life.
  return value.type === 'snapshot' ? readSnapshot(value.snapshot, { url, progress, onState }) : undefined
}

function readSnapshot(value: unknown, { url, progress, onState }: Pick<Connection, 'url' | 'progress' | 'onState'>): Snapshot | undefined {
  let snapshot: Snapshot
  try {
    snapshot = decodeSnapshot(JSON.stringify(value))
  } catch (cause) {
    // Damaged on the way or at the source: the next connection will tell.
    if (isCellwayError(cause)) onState({ kind: 'refused', url, error: cause })
    throw cause
  }
  if (snapshot.version <= progress.have) {
    onState({ kind: 'behind', url, version: snapshot.version, have: progress.have })
    return undefined
  }
  const lowered = findLoweredEpoch(progress.current, snapshot)
  if (lowered !== undefined) {
    onState({ kind: 'refused', url, error: lowered })
    return undefined
  }
  progress.have = snapshot.version
  progress.current = snapshot
  progress.failures = 0
  onState({ kind: 'confirmed', url, version: snapshot.version })
  return snapshot
}

/** Invariant I2 at the place where the truth comes in. */
export function findLoweredEpoch(current: Snapshot | undefined, next: Snapshot): CellwayError | undefined {
  if (current === undefined) return undefined
  const epochs = new Map(next.ledger.map((entry) => [`${entry.space} ${entry.bucket}`, entry.epoch]))
  for (const { space, bucket, epoch } of current.ledger) {
    const newEpoch = epochs.get(`${space} ${bucket}`)
    if (newEpoch !== undefined && newEpoch < epoch) return epochLowered({ version: next.version, space, bucket, epoch, newEpoch })
  }
  return undefined
}

/** Doubling, and somewhere in the upper half: a thousand gateways must not come back in one moment. */
function backoffMs(failures: number, { backoffFirstMs, backoffMaxMs, random }: WatchTuning): number {
  const ceiling = Math.min(backoffMaxMs, backoffFirstMs * 2 ** Math.min(failures, 16))
  return Math.round(ceiling / 2 + (random() * ceiling) / 2)
}

function asError(cause: unknown, url: string): CellwayError {
  return isCellwayError(cause) ? cause : unreachable({ urls: [url] }, { cause })
}

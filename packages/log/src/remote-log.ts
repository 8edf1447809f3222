import type { Log } from './log.ts'

/**
 * The log of a center, over HTTP. Lost connections are made again by themselves: a read goes on behind what it has given, and an
 * append waits until it can be sent. An append that was sent and whose answer was lost is LOG_NOT_DURABLE, never repeated; so is
 * every append behind it that is not yet acknowledged, so that no record can pass one that failed. The same holds for a refusal.
 */
export interface RemoteLog extends Log {
  readonly adapter: 'remote'

  /**
   * A reader tells what it has durably applied of a stream, in the origin's coordinates; also of a stream that the center has lost.
   * Kept in the center's memory only, so every report is of this run of the center.
   * @throws CTR_FORBIDDEN, LOG_REQUEST_INVALID, LOG_UNREACHABLE, LOG_CLOSED
   */
  reportReader(stream: string, reader: string, position: string, options?: CallOptions): Promise<void>

  /** What readers have told of a stream, known to the center or not. @throws LOG_UNREACHABLE, LOG_CLOSED */
  readers(stream: string, options?: CallOptions): Promise<readonly ReaderReport[]>

  /** Whether the center answers, and if not why; for the status of who uses it. */
  connection(): RemoteConnection
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface ReaderReport {
  readonly reader: string
  /** Text of a position of the origin. */
  readonly position: string
  /** Of the reader's clock. */
  readonly timeMs: number
  /** How long ago the center got it. */
  readonly ageMs: number
}

export type RemoteConnection =
  | { readonly state: 'idle' | 'connected' }
  /** `code` of the error, ours or the network's; attempts since the last success. */
  | { readonly state: 'unreachable'; readonly code: string; readonly attempts: number; readonly sinceMs: number }

export interface RemoteLogOptions {
  /** Tried in turn. */
  readonly url?: string
  readonly urls?: readonly string[]
  readonly token: string
  /** PEM of who signed the center's certificate, for `https:`. */
  readonly ca?: string
  readonly tuning?: Partial<RemoteTuning>
  readonly onEvent?: (event: RemoteEvent) => void
}

/** What the people who run a cell should hear of. */
export type RemoteEvent =
  | { readonly kind: 'connected'; readonly what: 'append' | 'read'; readonly stream: string; readonly url: string }
  | { readonly kind: 'disconnected'; readonly what: 'append' | 'read'; readonly stream: string; readonly url: string; readonly cause: unknown }

export interface RemoteTuning {
  /** Appends that wait for the center. Full => LOG_OVERLOADED. */
  readonly pendingBytesMax: number
  readonly pendingAppendsMax: number
  readonly connectTimeoutMs: number
  /** Nothing heard for so long, not even a heartbeat (one each second): the link is dead. */
  readonly silenceMsMax: number
  /** Of calls that are no streams, with all their attempts. Then LOG_UNREACHABLE. */
  readonly callTimeoutMs: number
  readonly backoffMsMin: number
  readonly backoffMsMax: number
}

import { encodeContext, type RequestContext } from '@cellway/topology'

/** Signatures are reused within a window, and stay valid for one window longer. */
const WINDOW_SECONDS = 30
/** Contexts kept per window: about 400 bytes each, so at most 20 MiB. Full => start over. */
const CACHED_MAX = 50_000

/** Makes the `x-cellway-*` headers of a request. The HMAC costs microseconds, and most users send more than one request in 30 s. */
export class ContextSigner {
  readonly #signingKey: Buffer
  readonly #mode: 'all' | 'hops'
  #window = -1
  #cache = new Map<string, readonly string[]>()

  constructor(signingKey: Buffer, mode: 'all' | 'hops') {
    this.#signingKey = signingKey
    this.#mode = mode
  }

  /** @returns name, value, …; unsigned for the own cell's apps under `signing: hops`. */
  headers(context: RequestContext, nowMs: number): readonly string[] {
    const window = Math.floor(nowMs / (WINDOW_SECONDS * 1000))
    if (window !== this.#window || this.#cache.size >= CACHED_MAX) {
      this.#window = window
      this.#cache = new Map()
    }
    const id = `${context.cell}\n${context.space}\n${context.bucket}\n${context.epoch}\n${context.hop.from}\n${context.key}`
    let headers = this.#cache.get(id)
    if (headers === undefined) {
      const signed = encodeContext(context, { signingKey: this.#signingKey, expiresAtSeconds: (window + 2) * WINDOW_SECONDS })
      headers = this.#mode === 'all' || context.hop.count > 0 ? signed : signed.slice(0, signed.indexOf('x-cellway-sig'))
      this.#cache.set(id, headers)
    }
    return headers
  }
}

import { createSecretKey, type KeyObject } from 'node:crypto'
import { encodeContext, type RequestContext } from '@cellway/topology'
import { ownText } from './http/own-text.ts'

/** Signatures are reused within a window, and stay valid for one window longer. */
const WINDOW_SECONDS = 120
/** Contexts kept per window: about 500 bytes each, so at most 25 MiB. Full => start over. */
const CACHED_MAX = 50_000

interface Signed {
  readonly context: RequestContext
  /** Header lines, each with its CRLF. */
  readonly lines: string
  /** Of the same key, in another space, by another hop or with an earlier epoch: few. */
  readonly next: Signed | undefined
}

/** Makes the `x-cellway-*` headers of a request. The HMAC costs microseconds, and most users send more than one request in two minutes. */
export class ContextSigner {
  readonly #signingKey: KeyObject
  readonly #mode: 'all' | 'hops'
  #window = -1
  /** By the part that tells users apart, so that no text has to be made for looking up. */
  readonly #signed = new Map<string, Signed>()
  #count = 0

  constructor(signingKey: Buffer, mode: 'all' | 'hops') {
    // From a buffer a new one would be made for each signature.
    this.#signingKey = createSecretKey(signingKey)
    this.#mode = mode
  }

  /** Signed contexts that are kept. */
  get size(): number {
    return this.#count
  }

  /** @returns header lines, each with its CRLF, ready to be sent; unsigned for the own cell's apps under `signing: hops`. */
  lines(context: RequestContext, nowMs: number): string {
    const window = Math.floor(nowMs / (WINDOW_SECONDS * 1000))
    if (window !== this.#window || this.#count >= CACHED_MAX) {
      this.#window = window
      this.#signed.clear()
      this.#count = 0
    }
    // Requests without a key (ids that carry their bucket, single spaces) are told apart by their bucket.
    const id = context.key || context.bucket || context.cell
    const first = this.#signed.get(id)
    for (let signed = first; signed !== undefined; signed = signed.next) if (isSame(signed.context, context)) return signed.lines
    // Flat, so that it holds no part of the request, and costs less whenever it is put into a head.
    const lines = ownText(this.#sign(context, window))
    const own = context.key === undefined ? context : { ...context, key: ownText(context.key) }
    this.#signed.set(own.key || own.bucket || own.cell, { context: own, lines, next: first })
    this.#count += 1
    return lines
  }

  #sign(context: RequestContext, window: number): string {
    const headers = encodeContext(context, { signingKey: this.#signingKey, expiresAtSeconds: (window + 2) * WINDOW_SECONDS })
    const signs = this.#mode === 'all' || context.hop.count > 0
    const end = signs ? headers.length : headers.indexOf('x-cellway-sig')
    let lines = ''
    for (let at = 0; at < end; at += 2) lines += `${headers[at]}: ${headers[at + 1]}\r\n`
    return lines
  }
}

function isSame(one: RequestContext, other: RequestContext): boolean {
  return (
    one.key === other.key &&
    one.bucket === other.bucket &&
    one.space === other.space &&
    one.epoch === other.epoch &&
    one.cell === other.cell &&
    one.hop.from === other.hop.from &&
    one.hop.count === other.hop.count
  )
}

import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { CONTEXT_HEADERS, type RequestContext } from './context.ts'
import { isName } from './ids.ts'

export interface SignOptions {
  /** Whoever signs often makes the key object once. */
  readonly signingKey: Buffer | KeyObject
  readonly expiresAtSeconds: number
}

export interface VerifyOptions {
  readonly signingKey: Buffer | KeyObject
  readonly nowSeconds: number
}

export type VerifiedContext = { readonly ok: true; readonly context: RequestContext } | { readonly ok: false; readonly reason: string }

const [CELL, SPACE, BUCKET, EPOCH, KEY, HOP, SIGNATURE] = CONTEXT_HEADERS

/** The context as name, value, name, value, …, signed; see context.ts for the form. */
export function encodeContext(context: RequestContext, { signingKey, expiresAtSeconds }: SignOptions): string[] {
  const space = context.space === undefined ? '' : encodeValue(context.space)
  const bucket = context.bucket === undefined ? '' : encodeValue(context.bucket)
  const epoch = context.epoch === undefined ? '' : String(context.epoch)
  const key = encodeValue(context.key ?? '')
  const hop = context.hop.from === undefined ? String(context.hop.count) : `${context.hop.count};from=${context.hop.from}`
  const expiry = String(expiresAtSeconds)
  const mac = macOf([context.cell, space, bucket, epoch, key, hop, expiry], signingKey).toString('base64url')
  const headers: string[] = [CELL, context.cell]
  if (context.space !== undefined) headers.push(SPACE, space)
  if (context.bucket !== undefined) headers.push(BUCKET, bucket)
  if (context.epoch !== undefined) headers.push(EPOCH, epoch)
  if (key !== '') headers.push(KEY, key)
  headers.push(HOP, hop, SIGNATURE, `v1;exp=${expiry};mac=${mac}`)
  return headers
}

const SIGNATURE_FORM = /^v1;exp=([1-9][0-9]{0,12});mac=([A-Za-z0-9_-]{43})$/
const HOP_FORM = /^(?:0|([1-9]);from=([a-z0-9-]{1,32}))$/
const EPOCH_FORM = /^[1-9][0-9]{0,15}$/

/** `headers` gives one header's value by lower-case name; a caller that has two of one name must give both joined, which fails here. */
export function verifyContext(headers: (name: string) => string | undefined, { signingKey, nowSeconds }: VerifyOptions): VerifiedContext {
  const signature = headers(SIGNATURE)
  if (signature === undefined) return { ok: false, reason: 'there is no signature' }
  const [, expiry, mac] = SIGNATURE_FORM.exec(signature) ?? []
  if (expiry === undefined || mac === undefined) return { ok: false, reason: 'the signature is malformed' }
  const fields = [CELL, SPACE, BUCKET, EPOCH, KEY, HOP].map((name) => headers(name))
  if (fields.some((value) => value === '')) return { ok: false, reason: 'a context header is empty' }
  const expected = macOf([...fields.map((value) => value ?? ''), expiry], signingKey)
  const given = Buffer.from(mac, 'base64url')
  // base64url has spare bits at the end; only the one spelling that we write is ours.
  if (given.toString('base64url') !== mac || !timingSafeEqual(expected, given)) return { ok: false, reason: 'the signature does not match' }
  if (Number(expiry) < nowSeconds) return { ok: false, reason: 'the signature has expired' }
  return parseContext(fields)
}

function parseContext([cell, space, bucket, epoch, key, hop]: readonly (string | undefined)[]): VerifiedContext {
  const hopParts = HOP_FORM.exec(hop ?? '')
  if (cell === undefined || !isName(cell)) return { ok: false, reason: 'the cell is malformed' }
  if (hopParts === null) return { ok: false, reason: 'the hop is malformed' }
  if (epoch !== undefined && !EPOCH_FORM.test(epoch)) return { ok: false, reason: 'the epoch is malformed' }
  const [, count, from] = hopParts
  try {
    const context: RequestContext = {
      cell,
      space: decodeValue(space),
      bucket: decodeValue(bucket),
      epoch: epoch === undefined ? undefined : Number(epoch),
      key: decodeValue(key),
      hop: { count: Number(count ?? 0), from }
    }
    return { ok: true, context }
  } catch {
    return { ok: false, reason: 'a context header is not percent-encoded text' }
  }
}

function macOf(fields: readonly string[], signingKey: Buffer | KeyObject): Buffer {
  return createHmac('sha256', signingKey)
    .update(`cellway-context-v1\n${fields.join('\n')}\n`)
    .digest()
}

const NEEDS_ENCODING = /[^A-Za-z0-9._~-]/

function encodeValue(value: string): string {
  if (!NEEDS_ENCODING.test(value)) return value
  return encodeURIComponent(value).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function decodeValue(value: string | undefined): string | undefined {
  return value === undefined ? undefined : decodeURIComponent(value)
}

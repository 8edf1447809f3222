import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { RequestContext } from './context.ts'
import { encodeContext, verifyContext } from './context-sign.ts'

const signingKey = Buffer.from('0123456789abcdef0123456789abcdef')
const CONTEXT: RequestContext = {
  cell: 'beijing',
  space: 'users',
  bucket: 'pin:vip 用',
  epoch: 7,
  key: 'vip 用',
  hop: { count: 1, from: 'shanghai' }
}
const NOW = 1_800_000_000

function toMap(flat: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (let at = 0; at < flat.length; at += 2) headers.set(flat[at] ?? '', flat[at + 1] ?? '')
  return headers
}

function signed(context = CONTEXT, expiresAtSeconds = NOW + 10): Map<string, string> {
  return toMap(encodeContext(context, { signingKey, expiresAtSeconds }))
}

function reasonFor(headers: ReadonlyMap<string, string>, options: { readonly nowSeconds?: number; readonly signingKey?: Buffer } = {}): string {
  const verified = verifyContext((name) => headers.get(name), { signingKey, nowSeconds: NOW, ...options })
  return verified.ok ? 'ok' : verified.reason
}

t.test('the headers are as context.ts says', async (t) => {
  const headers = signed()
  const fields = ['beijing', 'users', 'pin%3Avip%20%E7%94%A8', '7', 'vip%20%E7%94%A8', '1;from=shanghai', String(NOW + 10)]
  const mac = createHmac('sha256', signingKey)
    .update(`cellway-context-v1\n${fields.map((field) => `${field}\n`).join('')}`)
    .digest('base64url')
  t.same(
    [...headers],
    [
      ['x-cellway-cell', 'beijing'],
      ['x-cellway-space', 'users'],
      ['x-cellway-bucket', 'pin%3Avip%20%E7%94%A8'],
      ['x-cellway-epoch', '7'],
      ['x-cellway-key', 'vip%20%E7%94%A8'],
      ['x-cellway-hop', '1;from=shanghai'],
      ['x-cellway-sig', `v1;exp=${NOW + 10};mac=${mac}`]
    ]
  )
  const bare = signed({ cell: 'beijing', space: undefined, bucket: undefined, epoch: undefined, key: undefined, hop: { count: 0, from: undefined } })
  t.same([...bare.keys()], ['x-cellway-cell', 'x-cellway-hop', 'x-cellway-sig'])
  t.equal(bare.get('x-cellway-hop'), '0')
})

t.test('what was encoded is verified, for any key', async () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(text, text, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 }), fc.boolean(), (bucket, key, epoch, hopped) => {
      const context: RequestContext = {
        cell: 'beijing',
        space: 'users',
        bucket,
        epoch,
        key,
        hop: hopped ? { count: 1, from: 'shanghai' } : { count: 0, from: undefined }
      }
      const flat = encodeContext(context, { signingKey, expiresAtSeconds: NOW })
      const headers = toMap(flat)
      const verified = verifyContext((name) => headers.get(name), { signingKey, nowSeconds: NOW })
      return flat.every((part) => /^[\x21-\x7e]+$/.test(part)) && verified.ok && JSON.stringify(verified.context) === JSON.stringify(context)
    })
  )
})

t.test('a changed, added, removed or doubled header is refused', async (t) => {
  const changes: Readonly<Record<string, string>> = {
    'x-cellway-cell': 'shenzhen',
    'x-cellway-space': 'global',
    'x-cellway-bucket': '18',
    'x-cellway-epoch': '8',
    'x-cellway-key': 'other',
    'x-cellway-hop': '0'
  }
  for (const [name, value] of Object.entries(changes)) {
    const original = signed().get(name) ?? ''
    t.match(reasonFor(signed().set(name, value)), /does not match/, `${name} changed`)
    t.match(reasonFor(signed().set(name, `${original}, ${original}`)), /does not match/, `${name} doubled`)
    t.match(reasonFor(signed().set(name, '')), /is empty/, `${name} emptied`)
    const without = signed()
    without.delete(name)
    t.match(reasonFor(without), /does not match/, `${name} removed`)
  }
  const bare: RequestContext = { ...CONTEXT, key: undefined }
  t.match(reasonFor(signed(bare).set('x-cellway-key', 'added')), /does not match/)
  t.equal(reasonFor(signed()), 'ok')
})

t.test('a forged, doubled or expired signature is refused', async (t) => {
  const signature = signed().get('x-cellway-sig') ?? ''
  const cases: Readonly<Record<string, readonly [string | undefined, RegExp]>> = {
    none: [undefined, /no signature/],
    empty: ['', /malformed/],
    'another version': [signature.replace('v1', 'v2'), /malformed/],
    doubled: [`${signature}, ${signature}`, /malformed/],
    'a longer expiry': [signature.replace(String(NOW + 10), String(NOW + 9999)), /does not match/],
    'an expiry with a zero': [signature.replace('exp=', 'exp=0'), /malformed/],
    'a short mac': [signature.slice(0, -1), /malformed/],
    'another mac': [`v1;exp=${NOW + 10};mac=${'A'.repeat(43)}`, /does not match/],
    'another spelling of the mac': [signature.slice(0, -1) + nextLetter(signature.at(-1) ?? ''), /does not match/]
  }
  for (const [name, [value, want]] of Object.entries(cases)) {
    const headers = signed()
    if (value === undefined) headers.delete('x-cellway-sig')
    else headers.set('x-cellway-sig', value)
    t.match(reasonFor(headers), want, name)
  }
  t.match(reasonFor(signed(), { nowSeconds: NOW + 11 }), /expired/)
  t.equal(reasonFor(signed(), { nowSeconds: NOW + 10 }), 'ok', 'the second of the expiry still counts')
  t.match(reasonFor(signed(), { signingKey: Buffer.from('another key') }), /does not match/)
})

/** The next letter differs only in the two bits that 43 letters have too many. */
function nextLetter(letter: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(letter) + 1] ?? ''
}

t.test('a signer that writes nonsense is not believed', async (t) => {
  const wrong: readonly RequestContext[] = [
    { ...CONTEXT, cell: 'Bei Jing' },
    { ...CONTEXT, epoch: 0 },
    { ...CONTEXT, hop: { count: 1, from: undefined } },
    { ...CONTEXT, hop: { count: 10, from: 'shanghai' } }
  ]
  for (const context of wrong) t.match(reasonFor(signed(context)), /malformed/)
})

import t from 'tap'
import { trustedProxyList } from '../config.ts'
import { clientAddress } from './client-ip.ts'
import { checkTrailers } from './head.ts'
import { usableRequestId } from './request-headers.ts'
import { readUpstreamHead } from './response-headers.ts'
import { FrameBoundary, goingAwayFrame } from './websocket-frames.ts'

t.test('client address: only trusted proxies are believed, from the right', async (t) => {
  const trusted = trustedProxyList(['10.0.0.0/8', '::1'])
  const rows: readonly [name: string, peer: string, forwardedFor: string | undefined, want: string][] = [
    ['no proxy', '1.1.1.1', '9.9.9.9', '1.1.1.1'],
    ['one proxy', '10.0.0.1', '9.9.9.9', '9.9.9.9'],
    ['two proxies', '10.0.0.1', '9.9.9.9, 10.0.0.2', '9.9.9.9'],
    ['a client that lies', '10.0.0.1', '8.8.8.8, 9.9.9.9', '9.9.9.9'],
    ['garbage ends the search', '10.0.0.1', '9.9.9.9, what', '10.0.0.1'],
    ['mapped IPv4', '::ffff:10.0.0.1', '9.9.9.9', '9.9.9.9'],
    ['IPv6 proxy', '::1', '2001:db8::1', '2001:db8::1'],
    ['no header', '10.0.0.1', undefined, '10.0.0.1']
  ]
  for (const [name, peer, forwardedFor, want] of rows) t.equal(clientAddress(peer, forwardedFor, trusted), want, name)
})

t.test('trailers that imitate framing, identity or ours end the request', async (t) => {
  for (const name of [
    'Host',
    'content-length',
    'Transfer-Encoding',
    'x-cellway-cell',
    'X_Cellway_Cell',
    'Authorization',
    'cookie',
    'x-forwarded-for'
  ]) {
    t.throws(() => checkTrailers([name, 'x']), { code: 'GW_HEADER_FORBIDDEN' }, name)
  }
  t.doesNotThrow(() => checkTrailers(['x-checksum', '1']))
})

t.test('an answer is scrubbed: hop-by-hop, ours, and what Connection names', async (t) => {
  const head = readUpstreamHead(
    200,
    [
      'Connection',
      'close, x-gone, content-length',
      'X-Gone',
      '1',
      'Content-Length',
      '3',
      'X-Cellway-Cell',
      'evil',
      'x_cellway_sig',
      'e',
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2'
    ].map((text) => Buffer.from(text)),
    'a'
  )
  t.same(head.headers, ['Content-Length', '3', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'])
})

t.test('not executed counts only with 421', async (t) => {
  t.equal(readUpstreamHead(421, ['x-cellway-not-executed', '1'], 'a').notExecuted, true)
  t.equal(readUpstreamHead(200, ['x-cellway-not-executed', '1'], 'a').notExecuted, false)
  t.equal(readUpstreamHead(421, [], 'a').notExecuted, false)
})

t.test('an upstream cannot write headers of its own, or switch protocols unasked', async (t) => {
  const rows: readonly [name: string, status: number, raw: readonly string[]][] = [
    ['line feed in a value', 200, ['x-a', 'b\nset-cookie: c']],
    ['NUL in a value', 200, ['x-a', 'b\0']],
    ['space in a name', 200, ['x a', 'b']],
    ['101 unasked', 101, []],
    ['status 999', 999, []]
  ]
  for (const [name, status, raw] of rows) t.throws(() => readUpstreamHead(status, raw, 'a'), { code: 'GW_UPSTREAM_INVALID' }, name)
})

t.test('request ids: kept when harmless', async (t) => {
  t.equal(usableRequestId('abc-12345_x.y'), 'abc-12345_x.y')
  for (const id of ['short', 'with space in it', 'x'.repeat(65), 'line\nbreak-123', undefined])
    t.equal(usableRequestId(id), undefined, String(id).slice(0, 20))
})

t.test('frame boundary: found however the bytes are cut', async (t) => {
  const frames = [frame(5), frame(200), frame(70_000), frame(0)]
  const bytes = Buffer.concat(frames)
  const ends = new Set<number>()
  let end = 0
  for (const one of frames) {
    end += one.length
    ends.add(end)
  }
  const boundary = new FrameBoundary()
  for (let at = 0; at < bytes.length; at++) {
    const wrong = boundary.push(bytes.subarray(at, at + 1)) !== ends.has(at + 1)
    if (wrong) t.fail(`byte ${at}`)
  }
  const whole = new FrameBoundary()
  t.equal(whole.push(bytes), true)
  t.equal(whole.push(bytes.subarray(0, 300)), false)
  t.equal(whole.push(bytes.subarray(300)), true)
})

t.test('the close frame is unmasked, 1001, with a reason', async (t) => {
  const close = goingAwayFrame('moved')
  t.same([...close.subarray(0, 4)], [0x88, 7, 0x03, 0xe9])
  t.equal(close.subarray(4).toString(), 'moved')
})

function frame(payloadBytes: number): Buffer {
  const payload = Buffer.alloc(payloadBytes, 0x61)
  if (payloadBytes < 126) return Buffer.concat([Buffer.from([0x82, payloadBytes]), payload])
  if (payloadBytes < 65_536) return Buffer.concat([Buffer.from([0x82, 126, payloadBytes >> 8, payloadBytes & 0xff]), payload])
  const head = Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0])
  head.writeBigUInt64BE(BigInt(payloadBytes), 2)
  return Buffer.concat([head, payload])
}

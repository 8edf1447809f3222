import t from 'tap'
import { trustedProxyList } from '../config.ts'
import { clientAddress } from './client-ip.ts'
import { checkTrailers } from './head.ts'
import { usableRequestId } from './request-headers.ts'
import { readAnswerHead } from './response-headers.ts'
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
  const head = readAnswerHead(
    'HTTP/1.1 200 Fine\r\nConnection: close, x-gone, content-length\r\nX-Gone: 1\r\nContent-Length: 3\r\nX-Cellway-Cell: evil\r\nx_cellway_sig: e\r\nSet-Cookie: a=1\r\nSet-Cookie:b=2 ',
    { method: 'GET', cell: 'a' }
  )
  t.same(head.headers, ['Content-Length', '3', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'])
  t.match(head, { statusCode: 200, framing: { kind: 'length', bytes: 3 }, reusable: false })
})

t.test('not executed counts only with 421', async (t) => {
  const head = (status: string, more = ''): boolean => readAnswerHead(`HTTP/1.1 ${status}${more}`, { method: 'POST', cell: 'a' }).notExecuted
  t.equal(head('421 Misdirected Request', '\r\nx-cellway-not-executed: 1'), true)
  t.equal(head('200 OK', '\r\nx-cellway-not-executed: 1'), false)
  t.equal(head('421 Misdirected Request'), false)
})

t.test('an answer that could be read in two ways is refused', async (t) => {
  const rows: readonly [name: string, text: string][] = [
    ['bare line feed', 'HTTP/1.1 200 OK\r\nx-a: b\nset-cookie: c'],
    ['bare carriage return', 'HTTP/1.1 200 OK\r\nx-a: b\rc'],
    ['NUL in a value', 'HTTP/1.1 200 OK\r\nx-a: b\0'],
    ['a no-break space behind the length', 'HTTP/1.1 200 OK\r\ncontent-length: 5\xa0'],
    ['space in a name', 'HTTP/1.1 200 OK\r\nx a: b'],
    ['space before the colon', 'HTTP/1.1 200 OK\r\nx-a : b'],
    ['folded line', 'HTTP/1.1 200 OK\r\nx-a: b\r\n c: d'],
    ['no colon', 'HTTP/1.1 200 OK\r\nx-a'],
    ['empty name', 'HTTP/1.1 200 OK\r\n: b'],
    ['HTTP/2.0 on the wire', 'HTTP/2.0 200 OK'],
    ['HTTP/1.2', 'HTTP/1.2 200 OK'],
    ['status of four digits', 'HTTP/1.1 2000 OK'],
    ['status 999', 'HTTP/1.1 999 OK'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1'],
    ['length list', 'HTTP/1.1 200 OK\r\nContent-Length: 1, 1'],
    ['length with sign', 'HTTP/1.1 200 OK\r\nContent-Length: +1'],
    ['length and coding', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked'],
    ['coding on 1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked'],
    ['coding twice', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
    ['unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked']
  ]
  for (const [name, text] of rows) t.throws(() => readAnswerHead(text, { method: 'GET', cell: 'a' }), { code: 'GW_UPSTREAM_INVALID' }, name)
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

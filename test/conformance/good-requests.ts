import { HOST, post, type Seen } from './corpus.ts'
import { ALL_BYTES, ETAG, LARGE_BODY, SET_COOKIES } from './good-answers.ts'

/** A request that has to pass unharmed, with what both ends must see. */
export interface GoodRow {
  readonly id: string
  readonly why: string
  readonly bytes: Buffer
  /** Sent after `100 Continue` has come. */
  readonly afterContinue?: Buffer
  readonly see: readonly Seen[]
  readonly answers: readonly GoodAnswer[]
  /** Whether the gateway must end the connection after the answers. */
  readonly closes: boolean
}

export interface GoodAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body?: string | Buffer
}

function good(
  id: string,
  why: string,
  bytes: string | Buffer,
  see: Seen,
  answer: GoodAnswer = { status: 200 },
  more: Partial<GoodRow> = {}
): GoodRow {
  return {
    id,
    why,
    bytes: typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes,
    see: [see],
    answers: [answer],
    closes: false,
    ...more
  }
}

function ask(method: string, target: string, lines = '', version = '1.1'): string {
  return `${method} ${target} HTTP/${version}\r\n${HOST}${lines}\r\n`
}

const LONG_TARGET = `/open/${'a'.repeat(8_000)}?q=1`
const COOKIES = Array.from({ length: 60 }, (_, index) => `name${index}=value${index}`).join('; ')
const ESCAPED = '/open/%E4%BD%A0%E5%A5%BD/caf%C3%A9?q=%E2%82%AC&r=a+b%2Bc'
const CHUNKS = '5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n'

const methods: readonly GoodRow[] = [
  good('get', 'the plain one', ask('GET', '/open/a'), { method: 'GET', target: '/open/a', headers: { host: 'shop.example' } }),
  good(
    'head',
    'no body in the answer',
    ask('HEAD', '/open/answer/head'),
    { method: 'HEAD' },
    { status: 200, headers: { 'content-length': '1234' }, body: '' }
  ),
  good('head-chunked', 'HEAD of a chunked answer', ask('HEAD', '/open/answer/head-chunked'), { method: 'HEAD' }, { status: 200, body: '' }),
  good('post', 'a body', post('Content-Type: text/plain\r\nContent-Length: 3\r\n', 'abc'), {
    method: 'POST',
    body: 'abc',
    headers: { 'content-type': 'text/plain' }
  }),
  good('post-empty', 'a length of zero', post('Content-Length: 0\r\n', ''), { method: 'POST', body: '' }),
  good('post-no-length', 'neither length nor chunks', ask('POST', '/open/a'), { method: 'POST', body: '' }),
  good('put', 'PUT with a body', `${ask('PUT', '/open/a', 'Content-Length: 3\r\n')}abc`, { method: 'PUT', body: 'abc' }),
  good('patch', 'PATCH with a body', `${ask('PATCH', '/open/a', 'Content-Length: 3\r\n')}abc`, { method: 'PATCH', body: 'abc' }),
  good('delete', 'DELETE without body', ask('DELETE', '/open/a'), { method: 'DELETE', body: '' }),
  good('options', 'a preflight', ask('OPTIONS', '/open/a', 'Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n'), {
    method: 'OPTIONS',
    headers: { origin: 'https://a.example', 'access-control-request-method': 'PUT' }
  })
]

const bodies: readonly GoodRow[] = [
  good('chunked', 'chunks without extensions', ask('POST', '/open/a', 'Transfer-Encoding: chunked\r\n') + CHUNKS, { body: 'hello world' }),
  good('chunked-empty', 'only the last chunk', `${ask('POST', '/open/a', 'Transfer-Encoding: chunked\r\n')}0\r\n\r\n`, { body: '' }),
  good(
    'chunked-trailers',
    'legal trailers are dropped',
    `${ask('POST', '/open/a', 'Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n')}3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n`,
    {
      body: 'abc',
      headers: { 'x-sum': undefined }
    }
  ),
  good(
    'chunked-large',
    '1 MiB in chunks of 64 KiB',
    Buffer.concat([Buffer.from(ask('POST', '/open/a', 'Transfer-Encoding: chunked\r\n')), inChunks(LARGE_BODY, 65_536)]),
    {
      body: LARGE_BODY
    }
  ),
  good('large', '1 MiB with a length', Buffer.concat([Buffer.from(ask('PUT', '/open/a', `Content-Length: ${LARGE_BODY.length}\r\n`)), LARGE_BODY]), {
    body: LARGE_BODY
  }),
  good('binary', 'every byte value', Buffer.concat([Buffer.from(ask('POST', '/open/a', 'Content-Length: 256\r\n')), ALL_BYTES]), { body: ALL_BYTES }),
  good(
    'expect',
    'a body that waits for 100 Continue',
    ask('POST', '/open/a', 'Expect: 100-continue\r\nContent-Length: 3\r\n'),
    { body: 'abc', headers: { expect: undefined } },
    undefined,
    {
      afterContinue: Buffer.from('abc')
    }
  ),
  good(
    'expect-capitals',
    'expectations are case-insensitive',
    ask('POST', '/open/a', 'Expect: 100-Continue\r\nContent-Length: 3\r\n'),
    { body: 'abc' },
    undefined,
    {
      afterContinue: Buffer.from('abc')
    }
  ),
  good('expect-eager', 'a body that does not wait', `${ask('POST', '/open/a', 'Expect: 100-continue\r\nContent-Length: 3\r\n')}abc`, { body: 'abc' })
]

const heads: readonly GoodRow[] = [
  good('escaped', 'percent-encoded UTF-8 stays as it is', ask('GET', ESCAPED), { target: ESCAPED }),
  good('reserved', 'reserved signs stay as they are', ask('GET', "/open/a!$&'()*+,=:@~-._?a=/?:@!$'()*,;[]|"), {
    target: "/open/a!$&'()*+,=:@~-._?a=/?:@!$'()*,;[]|"
  }),
  good('long-target', 'just below 8 KiB of URL', ask('GET', LONG_TARGET), { target: LONG_TARGET }),
  good('cookies', '60 cookies in one header', ask('GET', '/open/a', `Cookie: ${COOKIES}\r\n`), { headers: { cookie: COOKIES } }),
  good('headers-80', '80 headers', ask('GET', '/open/a', Array.from({ length: 80 }, (_, index) => `X-N${index}: v${index}\r\n`).join('')), {
    headers: { 'x-n0': 'v0', 'x-n79': 'v79' }
  }),
  good('header-8k', 'one header of 8 KiB', ask('GET', '/open/a', `X-A: ${'b'.repeat(8_192)}\r\n`), { headers: { 'x-a': 'b'.repeat(8_192) } }),
  good('header-empty', 'an empty header', ask('GET', '/open/a', 'X-Empty:\r\n'), { headers: { 'x-empty': '' } }),
  good('header-latin1', 'bytes beyond ASCII in a value', ask('GET', '/open/a', 'X-A: caf\xe9\r\n'), { headers: { 'x-a': 'caf\xe9' } }),
  good('header-utf8', 'UTF-8 in a value', ask('GET', '/open/a', 'X-A: \xe4\xbd\xa0\r\n'), { headers: { 'x-a': '\xe4\xbd\xa0' } }),
  good('header-tab', 'a tab inside a value', ask('GET', '/open/a', 'X-A: b\tc\r\n'), { headers: { 'x-a': 'b\tc' } }),
  good('header-blanks', 'blanks around a value', ask('GET', '/open/a', 'X-A: \t b c \t\r\n'), { headers: { 'x-a': 'b c' } }),
  good('header-proto', 'names that are properties of objects', ask('GET', '/open/a', '__proto__: b\r\nconstructor: c\r\n'), {
    headers: { constructor: 'c' }
  }),
  good('authorization', 'credentials reach the app', ask('GET', '/open/a', 'Authorization: Bearer a.b.c\r\n'), {
    headers: { authorization: 'Bearer a.b.c' }
  }),
  good('host-port', 'Host with a port', 'GET /open/a HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n', { headers: { host: 'shop.example:8080' } }),
  good('host-v6', 'Host is an IPv6 address', 'GET /open/a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n', { headers: { host: '[::1]:8080' } }),
  good('conditional', 'ETag and dates pass', ask('GET', '/open/a', 'If-None-Match: "v1"\r\nIf-Modified-Since: Wed, 21 Oct 2026 07:28:00 GMT\r\n'), {
    headers: { 'if-none-match': '"v1"' }
  }),
  good('keyed', 'a routed request', ask('GET', '/api/a', 'X-User-Id: alice\r\n'), { headers: { 'x-user-id': 'alice', 'x-cellway-key': 'alice' } }),
  good('path-key', 'a key in the path', ask('GET', '/api/users/alice/orders?page=2'), {
    target: '/api/users/alice/orders?page=2',
    headers: { 'x-cellway-key': 'alice' }
  })
]

const answers: readonly GoodRow[] = [
  good('204', 'no body', ask('GET', '/open/answer/204'), {}, { status: 204, headers: { etag: ETAG, 'transfer-encoding': undefined }, body: '' }),
  good('304', 'no body', ask('GET', '/open/answer/304'), {}, { status: 304, headers: { etag: ETAG }, body: '' }),
  good('304-length', 'a length that announces no body', ask('GET', '/open/answer/304-length'), {}, { status: 304, body: '' }),
  good('answer-large', '1 MiB', ask('GET', '/open/answer/large'), {}, { status: 200, body: LARGE_BODY }),
  good(
    'answer-bytes',
    'an encoded body stays encoded',
    ask('GET', '/open/answer/bytes'),
    {},
    { status: 200, headers: { 'content-encoding': 'gzip' }, body: ALL_BYTES }
  ),
  good('answer-chunked', 'chunks with an extension and a trailer', ask('GET', '/open/answer/chunked'), {}, { status: 200, body: 'hello world' }),
  good(
    'answer-until-close',
    'a body that ends with the connection',
    ask('GET', '/open/answer/until-close'),
    {},
    { status: 200, body: 'until the end' }
  ),
  good('answer-empty', 'an empty body', ask('GET', '/open/answer/empty'), {}, { status: 200, headers: { 'content-length': '0' }, body: '' }),
  good(
    'answer-range',
    'a range',
    ask('GET', '/open/answer/range', 'Range: bytes=0-4\r\n'),
    { headers: { range: 'bytes=0-4' } },
    { status: 206, headers: { 'content-range': 'bytes 0-4/11' }, body: 'hello' }
  ),
  good(
    'answer-redirect',
    'a redirect is not followed',
    ask('GET', '/open/answer/redirect'),
    {},
    { status: 302, headers: { location: 'https://shop.example/next?a=b%20c' } }
  ),
  good(
    'answer-cookies',
    'several Set-Cookie stay several, in order',
    ask('GET', '/open/answer/cookies'),
    {},
    { status: 200, headers: { 'set-cookie': SET_COOKIES }, body: 'ok' }
  ),
  good('answer-hints', 'an early hint before the answer', ask('GET', '/open/answer/hints'), {}, { status: 200, body: 'hints' }),
  good('answer-404', 'refusals of the app pass', ask('GET', '/open/answer/404'), {}, { status: 404, headers: { 'x-app': 'shop' }, body: 'none' }),
  good('answer-500', 'failures of the app pass', ask('POST', '/open/answer/500', 'Content-Length: 0\r\n'), {}, { status: 500, body: 'oops' }),
  good('answer-no-reason', 'a status line without reason', ask('GET', '/open/answer/reason'), {}, { status: 200, body: 'ok' }),
  good(
    'answer-named',
    'what Connection names stays inside',
    ask('GET', '/open/answer/connection-named'),
    {},
    { status: 200, headers: { 'x-inner': undefined }, body: 'ok' }
  ),
  good(
    'answer-internal',
    'internal headers of an answer stay inside',
    ask('GET', '/open/answer/internal-header'),
    {},
    { status: 200, headers: { 'x-cellway-key': undefined, x_cellway_sig: undefined }, body: 'ok' }
  )
]

const connections: readonly GoodRow[] = [
  good('close', 'Connection: close ends it', ask('GET', '/open/a', 'Connection: close\r\n'), { target: '/open/a' }, undefined, {
    closes: true
  }),
  good('1.0', 'HTTP/1.0 with Host', ask('GET', '/open/a', '', '1.0'), { target: '/open/a' }, undefined, { closes: true }),
  good('1.0-post', 'HTTP/1.0 with a body', `${ask('POST', '/open/a', 'Content-Length: 3\r\n', '1.0')}abc`, { body: 'abc' }, undefined, {
    closes: true
  }),
  several('pipeline-2', 'two at once', [ask('GET', '/open/1'), ask('GET', '/open/2')], [{ target: '/open/1' }, { target: '/open/2' }]),
  several(
    'pipeline-mixed',
    'bodies in between',
    [ask('GET', '/open/1'), post('Content-Length: 3\r\n', 'abc', '/open/2'), ask('GET', '/open/3')],
    [{ target: '/open/1' }, { target: '/open/2', body: 'abc' }, { target: '/open/3' }]
  ),
  several(
    'pipeline-chunked',
    'chunks, then a request',
    [ask('POST', '/open/1', 'Transfer-Encoding: chunked\r\n') + CHUNKS, ask('GET', '/open/2')],
    [{ target: '/open/1', body: 'hello world' }, { target: '/open/2' }]
  ),
  several(
    'pipeline-20',
    'twenty at once, answers in order',
    Array.from({ length: 20 }, (_, index) => ask('GET', `/open/${index}`)),
    Array.from({ length: 20 }, (_, index) => ({ target: `/open/${index}` }))
  ),
  several(
    'pipeline-head',
    'HEAD between others',
    [ask('HEAD', '/open/answer/head'), ask('GET', '/open/2')],
    [{ method: 'HEAD' }, { target: '/open/2' }]
  )
]

export const goodRequests: readonly GoodRow[] = [...methods, ...bodies, ...heads, ...answers, ...connections]

function several(id: string, why: string, requests: readonly string[], see: readonly Seen[]): GoodRow {
  return { id, why, bytes: Buffer.from(requests.join(''), 'latin1'), see, answers: see.map(() => ({ status: 200 })), closes: false }
}

function inChunks(body: Buffer, size: number): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size)
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')])
}

import { answerBytes, type Responder, type UpstreamAnswer } from './recording-upstream.ts'

/** Every byte value, so that a proxy that decodes text on the way is found out. */
export const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, value) => value))
export const LARGE_BODY = Buffer.alloc(1024 * 1024, ALL_BYTES)
export const ETAG = '"v1-\xfc"'
export const SET_COOKIES = ['a=1; Path=/; HttpOnly', 'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'a=3; Path=/other']

/** What the recording upstream says on `/open/answer/…`: answers that are right and that a careless proxy damages. */
export const goodAnswers: Responder = (request) => {
  const path = request.target.replace(/\?.*$/, '')
  if (path === '/ws/echo' && request.headers.some(([name]) => name.toLowerCase() === 'upgrade')) return tunnel()
  return ANSWERS[path.replace('/open/answer/', '')]
}

const keep = (bytes: Buffer): UpstreamAnswer => ({ bytes, after: 'keep' })
const close = (bytes: Buffer): UpstreamAnswer => ({ bytes, after: 'close' })

const ANSWERS: Readonly<Record<string, UpstreamAnswer>> = {
  '204': keep(answerBytes('204 No Content', [`etag: ${ETAG}`])),
  '304': keep(answerBytes('304 Not Modified', [`etag: ${ETAG}`])),
  '304-length': keep(answerBytes('304 Not Modified', ['content-length: 1234'])),
  head: keep(answerBytes('200 OK', ['content-length: 1234', 'content-type: text/plain'])),
  'head-chunked': keep(answerBytes('200 OK', ['transfer-encoding: chunked'])),
  large: keep(answerBytes('200 OK', [`content-length: ${LARGE_BODY.length}`], LARGE_BODY)),
  bytes: keep(answerBytes('200 OK', ['content-length: 256', 'content-encoding: gzip'], ALL_BYTES)),
  chunked: keep(answerBytes('200 OK', ['transfer-encoding: chunked'], '5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-checksum: 1\r\n\r\n')),
  'until-close': close(answerBytes('200 OK', ['content-type: text/plain'], 'until the end')),
  empty: keep(answerBytes('200 OK', ['content-length: 0'])),
  range: keep(answerBytes('206 Partial Content', ['content-range: bytes 0-4/11', 'content-length: 5'], 'hello')),
  redirect: keep(answerBytes('302 Found', ['location: https://shop.example/next?a=b%20c', 'content-length: 0'])),
  cookies: keep(answerBytes('200 OK', [...SET_COOKIES.map((cookie) => `set-cookie: ${cookie}`), 'content-length: 2'], 'ok')),
  hints: keep(
    Buffer.concat([answerBytes('103 Early Hints', ['link: </style.css>; rel=preload']), answerBytes('200 OK', ['content-length: 5'], 'hints')])
  ),
  '404': keep(answerBytes('404 Not Found', ['content-length: 4', 'x-app: shop'], 'none')),
  '500': keep(answerBytes('500 Internal Server Error', ['content-length: 4'], 'oops')),
  reason: keep(answerBytes('200', ['content-length: 2'], 'ok')),
  'connection-named': keep(answerBytes('200 OK', ['connection: x-inner', 'x-inner: secret', 'keep-alive: timeout=5', 'content-length: 2'], 'ok')),
  'internal-header': keep(answerBytes('200 OK', ['x-cellway-key: 42', 'X_Cellway_Sig: secret', 'content-length: 2'], 'ok'))
}

function tunnel(): UpstreamAnswer {
  const lines = ['upgrade: websocket', 'connection: Upgrade', 'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=']
  return { bytes: answerBytes('101 Switching Protocols', lines), after: 'tunnel' }
}

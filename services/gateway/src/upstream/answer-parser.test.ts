import fc from 'fast-check'
import t from 'tap'
import { AnswerParser } from './answer-parser.ts'

interface Heard {
  readonly status: number[]
  body: string
  ends: number
  behind: string
  error: string | undefined
}

/** Feeds the pieces one after the other, as a socket would. */
function read(pieces: readonly Buffer[], { method = 'GET', expectsUpgrade = false, closes = false } = {}): Heard & { readonly reusable: boolean } {
  const heard: Heard = { status: [], body: '', ends: 0, behind: '', error: undefined }
  const parser = new AnswerParser(
    { method, cell: 'a', headerBytesMax: 1024, expectsUpgrade },
    {
      onWhole: ({ statusCode }, body) => {
        heard.status.push(statusCode)
        heard.body += body.toString('latin1')
        heard.ends += 1
      },
      onHead: ({ statusCode }) => heard.status.push(statusCode),
      onData: (chunk) => {
        heard.body += chunk.toString('latin1')
      },
      onEnd: () => {
        heard.ends += 1
      },
      onUpgrade: ({ statusCode }, first) => {
        heard.status.push(statusCode)
        heard.body += first.toString('latin1')
        heard.ends += 1
      }
    }
  )
  try {
    for (const piece of pieces) heard.behind += parser.push(piece).toString('latin1')
    if (closes && !parser.done && !parser.end()) heard.error = 'CLOSED_EARLY'
  } catch (error) {
    heard.error = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
  return { ...heard, reusable: parser.reusable }
}

const ANSWERS: readonly [
  name: string,
  bytes: string,
  body: string,
  options?: { readonly method?: string; readonly closes?: boolean; readonly expectsUpgrade?: boolean }
][] = [
  ['length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello'],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
  ['head', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', '', { method: 'HEAD' }],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n', 'hello'],
  ['chunks with trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n', 'hello'],
  ['1xx before', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 'ok'],
  ['until close', 'HTTP/1.0 200 OK\r\n\r\nhello', 'hello', { closes: true }],
  ['upgrade', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\nframe', 'frame', { expectsUpgrade: true }]
]

t.test('an answer is the same however its bytes are cut', async (t) => {
  for (const [name, text, body, options] of ANSWERS) {
    const bytes = Buffer.from(text, 'latin1')
    const whole = read([bytes], options)
    t.same([whole.body, whole.ends, whole.behind, whole.error], [body, 1, '', undefined], name)
    if (options?.expectsUpgrade === true) continue
    const single = read(
      [...bytes].map((byte) => Buffer.from([byte])),
      options
    )
    t.same([single.status, single.body, single.ends, single.error], [whole.status, body, 1, undefined], `${name}, byte by byte`)
    t.equal(single.reusable, whole.reusable, `${name}, reusable`)
  }
  fc.assert(
    fc.property(fc.constantFrom(...ANSWERS.slice(0, 7)), fc.array(fc.nat(200), { maxLength: 6 }), ([, text, body, options], cuts) => {
      const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((left, right) => left - right)
      const pieces = [0, ...at].map((from, index) => Buffer.from(text.slice(from, [...at, text.length][index]), 'latin1'))
      const heard = read(pieces, options)
      return heard.body === body && heard.ends === 1 && heard.error === undefined
    })
  )
})

t.test('what is no clean answer ends in an error, never in a wrong body', async (t) => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const rows: readonly [name: string, text: string, code: string][] = [
    ['not HTTP', 'SSH-2.0-x\r\n', 'GW_UPSTREAM_INVALID'],
    ['101 unasked', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'GW_UPSTREAM_INVALID'],
    ['nine 1xx', `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(9)}HTTP/1.1 200 OK\r\n\r\n`, 'GW_UPSTREAM_INVALID'],
    ['head too large', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(2000)}\r\n\r\n`, 'GW_UPSTREAM_INVALID'],
    ['head too large, never ending', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(2000)}`, 'GW_UPSTREAM_INVALID'],
    ['length cut', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', 'CLOSED_EARLY'],
    ['head cut', 'HTTP/1.1 200 OK\r\nContent-', 'CLOSED_EARLY'],
    ['chunks cut', `${chunked}5\r\nhel`, 'CLOSED_EARLY'],
    ['no last chunk', `${chunked}3\r\nhel\r\n`, 'CLOSED_EARLY'],
    ['chunk overrun', `${chunked}3\r\nhello\r\n0\r\n\r\n`, 'GW_UPSTREAM_INVALID'],
    ['chunk size by prefix', `${chunked}0x3\r\nhel\r\n0\r\n\r\n`, 'GW_UPSTREAM_INVALID'],
    ['chunk size negative', `${chunked}-1\r\n`, 'GW_UPSTREAM_INVALID'],
    ['chunk size of nine digits', `${chunked}100000003\r\nhel\r\n`, 'GW_UPSTREAM_INVALID'],
    ['chunk line ended by line feed', `${chunked}3\nhel\r\n0\r\n\r\n`, 'GW_UPSTREAM_INVALID'],
    ['chunk line without end', `${chunked}3;${'a'.repeat(2000)}`, 'GW_UPSTREAM_INVALID'],
    ['trailer without colon', `${chunked}0\r\nwhat\r\n\r\n`, 'GW_UPSTREAM_INVALID']
  ]
  for (const [name, text, code] of rows) {
    t.equal(read([Buffer.from(text, 'latin1')], { closes: true }).error, code, name)
    const single = read(
      [...Buffer.from(text, 'latin1')].map((byte) => Buffer.from([byte])),
      { closes: true }
    )
    t.equal(single.error, code, `${name}, byte by byte`)
  }
})

t.test('bytes behind the answer are handed back, whatever they look like', async (t) => {
  const second = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen'
  const heard = read([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${second}`, 'latin1')])
  t.same([heard.body, heard.behind], ['ok', second])
})

t.test('whether the connection can be used again', async (t) => {
  const rows: readonly [text: string, reusable: boolean][] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', true],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n', false],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n', true],
    ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', false],
    ['HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', true],
    ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n', false]
  ]
  for (const [text, reusable] of rows) t.equal(read([Buffer.from(text, 'latin1')]).reusable, reusable, text)
})

import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import t from 'tap'
import { HeadParser, UNFINISHED } from './head-parser.ts'

const LIMITS = { headersMax: 100, headerBytesMax: 512 }

interface Read {
  readonly end: number
  readonly method: string
  readonly target: string
  readonly version: string
  readonly rawHeaders: readonly string[]
}

/** @param cuts where the text is cut: each piece is given with all before it. @returns the head, or the code of the refusal */
function read(text: string, cuts: readonly number[] = []): Read | string {
  const parser = new HeadParser(LIMITS)
  let end: number = UNFINISHED
  try {
    for (const to of [...cuts, text.length]) {
      end = parser.push(text.slice(0, Math.min(to, LIMITS.headerBytesMax + 1)))
      if (end !== UNFINISHED) break
    }
  } catch (error) {
    return isCellwayError(error) ? error.code : String(error)
  }
  const { method, target, version, rawHeaders } = parser
  return end === UNFINISHED ? 'unfinished' : { end, method, target, version, rawHeaders }
}

function codeOf(text: string): string {
  const got = read(text)
  return typeof got === 'string' ? got : 'read'
}

const head = (lines: string, requestLine = 'GET /a HTTP/1.1'): string => `${requestLine}\r\n${lines}\r\n`

t.test('a head is taken apart, and what stands behind it is left alone', async (t) => {
  const text = 'POST /a?b=c HTTP/1.1\r\nHost: shop.example\r\nX-Empty:\r\nx-blanks: \t a b\t \r\nX-Latin: caf\xe9\r\n\r\nbody\r\n\r\n'
  t.same(read(text), {
    end: text.indexOf('body'),
    method: 'POST',
    target: '/a?b=c',
    version: '1.1',
    rawHeaders: ['Host', 'shop.example', 'X-Empty', '', 'x-blanks', 'a b', 'X-Latin', 'caf\xe9']
  })
  t.match(read('\r\n\r\nGET / HTTP/1.0\r\n\r\n'), { end: 22, method: 'GET', version: '1.0', rawHeaders: [] }, 'empty lines in front are skipped')
  t.match(read(head('', 'GET / HTTP/2.0')), { version: '2.0' }, 'what has the form of a version is judged by whoever knows them')
})

t.test('what is not HTTP/1.1 to the letter is refused', async (t) => {
  const BAD = 'GW_BAD_REQUEST'
  const rows: readonly (readonly [name: string, text: string, want: string])[] = [
    ['no method', head('', ' /a HTTP/1.1'), BAD],
    ['a method that is no token', head('', 'G(T /a HTTP/1.1'), BAD],
    ['a tab behind the method', head('', 'GET\t/a HTTP/1.1'), BAD],
    ['two blanks before the target', head('', 'GET  /a HTTP/1.1'), BAD],
    ['two blanks before the version', head('', 'GET /a  HTTP/1.1'), BAD],
    ['no target', head('', 'GET  HTTP/1.1'), BAD],
    ['a blank in the target', head('', 'GET /a b HTTP/1.1'), BAD],
    ['NUL in the target', head('', 'GET /a\0 HTTP/1.1'), BAD],
    ['DEL in the target', head('', 'GET /a\x7f HTTP/1.1'), BAD],
    ['no version', head('', 'GET /a'), BAD],
    ['another protocol', head('', 'GET /a ICE/1.1'), BAD],
    ['a lower-case protocol', head('', 'GET /a http/1.1'), BAD],
    ['a version of two digits', head('', 'GET /a HTTP/1.10'), BAD],
    ['a version without a dot', head('', 'GET /a HTTP/1,1'), BAD],
    ['a blank behind the version', head('', 'GET /a HTTP/1.1 '), BAD],
    ['the line ends in LF', 'GET /a HTTP/1.1\nHost: a\r\n\r\n', BAD],
    ['the line ends in CR', 'GET /a HTTP/1.1\rHost: a\r\n\r\n', BAD],
    ['LF in front', '\nGET /a HTTP/1.1\r\n\r\n', BAD],
    ['a folded line', head('A: b\r\n c\r\n'), BAD],
    ['a line folded by a tab', head('A: b\r\n\tc\r\n'), BAD],
    ['the first line is folded', head(' A: b\r\n'), BAD],
    ['a blank before the colon', head('A : b\r\n'), BAD],
    ['a tab before the colon', head('A\t: b\r\n'), BAD],
    ['no colon', head('A\r\n'), BAD],
    ['no name', head(': b\r\n'), BAD],
    ['a name that is no token', head('A/B: c\r\n'), BAD],
    ['a name beyond ASCII', head('\xe9: c\r\n'), BAD],
    ['NUL in a value', head('A: b\0\r\n'), BAD],
    ['a control character in a value', head('A: b\x0bc\r\n'), BAD],
    ['DEL in a value', head('A: b\x7f\r\n'), BAD],
    ['CR in a value', head('A: b\rc\r\n'), BAD],
    ['a header line ends in LF', head('A: b\nC: d\r\n'), BAD],
    ['CR CR LF', head('A: b\r\r\n'), BAD],
    ['the empty line is LF', 'GET /a HTTP/1.1\r\nA: b\r\n\n', BAD],
    ['the empty line is CR', 'GET /a HTTP/1.1\r\nA: b\r\n\rX', BAD],
    ['larger than the limit', head(`A: ${'b'.repeat(600)}\r\n`), 'GW_HEADERS_TOO_LARGE'],
    ['larger than the limit in small headers', head('A: b\r\n'.repeat(100)), 'GW_HEADERS_TOO_LARGE'],
    ['larger than the limit by empty lines', '\r\n'.repeat(300), 'GW_HEADERS_TOO_LARGE'],
    ['larger than the limit by its target', head('', `GET /${'a'.repeat(600)} HTTP/1.1`), 'GW_HEADERS_TOO_LARGE'],
    ['exactly the limit', head(`A: ${'b'.repeat(LIMITS.headerBytesMax - head('A: \r\n').length)}\r\n`), 'read'],
    ['one byte more', head(`A: ${'b'.repeat(LIMITS.headerBytesMax - head('A: \r\n').length + 1)}\r\n`), 'GW_HEADERS_TOO_LARGE']
  ]
  for (const [name, text, want] of rows) t.equal(codeOf(text), want, name)
})

t.test('what can never become a head is refused before its end comes, and nothing else is', async (t) => {
  for (const text of ['\x16\x03\x01', '\x05\x01\0', '\0', 'GET /a HTTP/1.1\r\nA: b\0', 'GET /a HTTP/1.1\nA', 'G(', 'GET /a HTTX'])
    t.equal(codeOf(text), 'GW_BAD_REQUEST', JSON.stringify(text))
  for (const text of [
    '',
    'G',
    'GET',
    'GET ',
    'GET /a',
    'GET /a HTT',
    'GET /a HTTP/1.1',
    'GET /a HTTP/1.1\r',
    'GET /a HTTP/1.1\r\n',
    '\r',
    head('A: b\r\n').slice(0, -1)
  ])
    t.equal(codeOf(text), 'unfinished', JSON.stringify(text))
})

t.test('an empty line alone is no request', async (t) => {
  const blank = (text: string): boolean => {
    const parser = new HeadParser(LIMITS)
    parser.push(text)
    return parser.isBlank(text)
  }
  t.equal(blank('\r\n'), true)
  t.equal(blank('\r\n\r\n'), true)
  t.equal(blank('\r\nG'), false)
  t.equal(blank('\r'), false)
})

/** Well-formed heads, and the same with a few bytes changed. */
const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/)
const value = fc.stringMatching(/^[\t\x20-\x7e\x80-\xff]{0,30}$/)
const heads = fc
  .record({ method: token, target: fc.stringMatching(/^\/[!-~]{0,20}$/), headers: fc.array(fc.tuple(token, value), { maxLength: 6 }) })
  .map(({ method, target, headers }) => head(headers.map(([name, text]) => `${name}: ${text}\r\n`).join(''), `${method} ${target} HTTP/1.1`))
const mutated = fc
  .tuple(heads, fc.array(fc.tuple(fc.nat(), fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x0a, 0x0d, 0x20, 0x3a))), { maxLength: 3 }))
  .map(([text, changes]) => {
    const bytes = Buffer.from(text, 'latin1')
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte
    // Ends in a line's end: of a line that never ends, the cuts decide whether it is known yet to be wrong.
    return `${bytes.toString('latin1')}\r\n\r\n`
  })
const cuts = fc.array(fc.nat(), { maxLength: 8 })

t.test('any cuts give the same, for good heads and for broken ones', async (t) => {
  fc.assert(
    fc.property(fc.oneof(heads, mutated), cuts, (text, places) => {
      const sorted = places.map((place) => place % text.length).sort((one, other) => one - other)
      const whole = read(text)
      deepStrictEqual(read(text, sorted), whole)
      deepStrictEqual(
        read(
          text,
          Array.from({ length: text.length }, (_, at) => at)
        ),
        whole
      )
    }),
    { numRuns: 400 }
  )
  t.pass('held')
})

t.test('what is read is what was written', async (t) => {
  fc.assert(
    fc.property(token, fc.stringMatching(/^\/[!-~]{0,20}$/), fc.array(fc.tuple(token, value), { maxLength: 6 }), (method, target, headers) => {
      const text = head(headers.map(([name, written]) => `${name}:${written}\r\n`).join(''), `${method} ${target} HTTP/1.1`)
      const rawHeaders = headers.flatMap(([name, written]) => [name, written.replace(/^[ \t]+|[ \t]+$/g, '')])
      deepStrictEqual(read(text), { end: text.length, method, target, version: '1.1', rawHeaders })
    }),
    { numRuns: 200 }
  )
  t.pass('held')
})

/** A slow, obvious twin: what this accepts is a head, and nothing else is. */
const HEAD =
  /^(?:\r\n)*[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [!-~\x80-\xff]+ HTTP\/[0-9]\.[0-9]\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/

t.test('as strict as the grammar, and not stricter', async (t) => {
  fc.assert(
    fc.property(mutated, (text) => {
      strictEqual(codeOf(text) === 'read', HEAD.test(text))
    }),
    { numRuns: 1_000 }
  )
  t.pass('held')
})

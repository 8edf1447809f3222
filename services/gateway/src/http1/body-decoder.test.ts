import { deepStrictEqual } from 'node:assert/strict'
import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import t from 'tap'
import { BodyDecoder } from './body-decoder.ts'

const LIMITS = { headersMax: 4, headerBytesMax: 512 }

interface Decoded {
  readonly body: string
  readonly behind: string
  readonly trailers: readonly string[]
}

/** @returns the body, or the code of the refusal, or that it wants more */
function decode(bytes: number | undefined, text: string, cuts: readonly number[] = []): Decoded | string {
  const decoder = new BodyDecoder(bytes, LIMITS)
  let body = ''
  let behind = ''
  let from = 0
  try {
    for (const to of [...cuts, text.length]) {
      const piece = Buffer.from(text.slice(from, to), 'latin1')
      from = to
      behind += decoder.done
        ? piece.toString('latin1')
        : decoder
            .push(piece, (part) => {
              body += part.toString('latin1')
            })
            .toString('latin1')
    }
  } catch (error) {
    return isCellwayError(error) ? error.code : String(error)
  }
  return decoder.done ? { body, behind, trailers: decoder.trailers } : 'unfinished'
}

t.test('a body ends where its length or its last chunk says', async (t) => {
  t.same(decode(3, 'abcGET /'), { body: 'abc', behind: 'GET /', trailers: [] })
  t.same(decode(0, 'GET /'), { body: '', behind: 'GET /', trailers: [] })
  t.equal(decode(4, 'abc'), 'unfinished')
  t.same(decode(undefined, '3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nGET /'), { body: 'abc0123456789', behind: 'GET /', trailers: [] })
  t.same(decode(undefined, '3;a;b=c;d="e \\" f"\r\nabc\r\n000\r\nX-Sum: 1\r\n\r\nG'), { body: 'abc', behind: 'G', trailers: ['X-Sum', '1'] })
})

t.test('chunks that can be read in two ways are refused', async (t) => {
  const BAD = 'GW_BAD_REQUEST'
  const rows: readonly (readonly [name: string, text: string, want: string])[] = [
    ['LF behind the size', '3\nabc\r\n0\r\n\r\n', BAD],
    ['CR behind the size', '3\rabc\r\n0\r\n\r\n', BAD],
    ['LF behind the data', '3\r\nabc\n0\r\n\r\n', BAD],
    ['nothing behind the data', '3\r\nabc0\r\n\r\n', BAD],
    ['more data than the size', '3\r\nabcd\r\n0\r\n\r\n', BAD],
    ['0x', '0x3\r\nabc\r\n0\r\n\r\n', BAD],
    ['a sign', '+3\r\nabc\r\n0\r\n\r\n', BAD],
    ['no size', '\r\nabc\r\n0\r\n\r\n', BAD],
    ['a blank before', ' 3\r\nabc\r\n0\r\n\r\n', BAD],
    ['a blank behind', '3 \r\nabc\r\n0\r\n\r\n', BAD],
    ['nine digits', '100000003\r\nabc\r\n', BAD],
    ['an extension without name', '3;\r\nabc\r\n0\r\n\r\n', BAD],
    ['an extension without value', '3;a=\r\nabc\r\n0\r\n\r\n', BAD],
    ['an open quote', '3;a="b\r\nabc\r\n0\r\n\r\n', BAD],
    ['a control character in quotes', '3;a="\0"\r\nabc\r\n0\r\n\r\n', BAD],
    ['an endless size line', `3;a=${'b'.repeat(2_000)}`, BAD],
    ['extensions without end', `1;a=${'b'.repeat(900)}\r\nx\r\n`.repeat(20), BAD],
    ['a trailer without colon', '0\r\njunk\r\n\r\n', BAD],
    ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n', BAD],
    ['a trailer that ends in LF', '0\r\nA: b\n\r\n', BAD],
    ['NUL in a trailer', '0\r\nA: \0\r\n\r\n', BAD],
    ['a request in place of the trailers', '0\r\nGET / HTTP/1.1\r\n\r\n', BAD],
    ['trailers larger than the limit', `0\r\nA: ${'b'.repeat(600)}\r\n\r\n`, 'GW_HEADERS_TOO_LARGE'],
    ['more trailers than headers may be', `0\r\n${'A: b\r\n'.repeat(5)}\r\n`, 'GW_HEADERS_TOO_LARGE'],
    ['the end is missing', '3\r\nabc\r\n0\r\n', 'unfinished']
  ]
  for (const [name, text, want] of rows) t.equal(decode(undefined, text), want, name)
})

const chunk = fc
  .tuple(fc.stringMatching(/^[ -~]{1,40}$/), fc.constantFrom('', ';a', ';a=b', ';a="b c"'))
  .map(([data, extension]) => ({ data, text: `${data.length.toString(16)}${extension}\r\n${data}\r\n` }))

t.test('any cuts give the same, for good bodies and for broken ones', async (t) => {
  fc.assert(
    fc.property(
      fc.array(chunk, { maxLength: 5 }),
      fc.constantFrom('', 'X-A: b\r\n'),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 2 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (chunks, trailers, changes, places) => {
        const bytes = Buffer.from(`${chunks.map(({ text }) => text).join('')}0\r\n${trailers}\r\nGET / HTTP/1.1\r\n\r\n`, 'latin1')
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        const text = bytes.toString('latin1')
        const whole = decode(undefined, text)
        const sorted = places.map((place) => place % text.length).sort((one, other) => one - other)
        deepStrictEqual(decode(undefined, text, sorted), whole)
        deepStrictEqual(
          decode(
            undefined,
            text,
            Array.from({ length: text.length }, (_, at) => at)
          ),
          whole
        )
        if (changes.length > 0) return
        const want = {
          body: chunks.map(({ data }) => data).join(''),
          behind: 'GET / HTTP/1.1\r\n\r\n',
          trailers: trailers === '' ? [] : ['X-A', 'b']
        }
        deepStrictEqual(whole, want)
      }
    ),
    { numRuns: 400 }
  )
  t.pass('held')
})

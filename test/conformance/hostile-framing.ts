import {
  type CorpusRow,
  CUT_OFF,
  chunked,
  clean,
  firstThenRefused,
  get,
  HOST,
  neverComplete,
  post,
  refused,
  refusedOrClean,
  row,
  SMUGGLED
} from './corpus.ts'

const TE = [400, 501] as const

const length = (id: string, why: string, value: string, body = 'abc'): CorpusRow =>
  row(`cl-${id}`, why, post(`Content-Length: ${value}\r\n`, body), refused(400, 413))

const lengths: readonly CorpusRow[] = [
  length('001', 'leading zeros', '003'),
  length('00', 'two zeros', '00', ''),
  length('plus', 'a plus sign', '+3'),
  length('minus', 'a minus sign', '-3'),
  length('minus-zero', 'minus zero', '-0', ''),
  length('hex', 'hexadecimal', '0x3'),
  length('float', 'a fraction', '3.0'),
  length('exponent', 'an exponent', '3e0'),
  length('grouped', 'digit groups', '3_0'),
  length('blank-inside', 'a blank between digits', '3 0'),
  length('letters', 'letters after the digits', '3abc'),
  length('semicolon', 'a parameter', '3;a=b'),
  length('quoted', 'quotes', '"3"'),
  length('list', 'a list of different lengths', '3, 30'),
  length('list-same', 'a list of equal lengths', '3, 3'),
  length('list-tight', 'a list without blank', '3,3'),
  length('list-open', 'a list that ends in a comma', '3,'),
  length('list-leading', 'a list that begins with a comma', ',3'),
  length('empty', 'an empty length', '', ''),
  length('vt', 'vertical tab before the digits', '\x0b3'),
  length('nbsp', 'a no-break space before the digits', '\xa03'),
  length('fullwidth', 'full-width digits', '\xef\xbc\x93'),
  length('overflow-64', '2^64 + 3', '18446744073709551619'),
  length('overflow-63', '2^63', '9223372036854775808', ''),
  length('overflow-long', '40 digits', '9'.repeat(40), ''),
  row('cl-two', 'two different lengths', post('Content-Length: 3\r\nContent-Length: 30\r\n', 'abc'), refused()),
  row('cl-two-same', 'two equal lengths', post('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'), refused()),
  row(
    'cl-two-zero-first',
    'a zero first: the body would be a request',
    post(`Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    refused()
  ),
  row('cl-two-apart', 'another header in between', post('Content-Length: 3\r\nAccept: */*\r\ncontent-length: 0\r\n', 'abc'), refused()),
  row('cl-cut', 'a body shorter than its length', post('Content-Length: 30\r\n', 'abc'), neverComplete(400, 408, 499, 502), CUT_OFF)
]

const coding = (id: string, why: string, value: string): CorpusRow =>
  row(`te-${id}`, why, post(`Transfer-Encoding: ${value}\r\n`, `3\r\nabc\r\n0\r\n\r\n`), refused(...TE))

const codings: readonly CorpusRow[] = [
  coding('xchunked', 'a coding that does not exist', 'xchunked'),
  coding('chunkedx', 'a coding that does not exist', 'chunkedx'),
  coding('identity', 'identity was removed from HTTP', 'identity'),
  coding('gzip', 'a body without end', 'gzip'),
  coding('gzip-chunked', 'a coding that we do not undo', 'gzip, chunked'),
  coding('chunked-gzip', 'chunked is not the last one', 'chunked, gzip'),
  coding('chunked-identity', 'chunked is not the last one', 'chunked, identity'),
  coding('chunked-twice', 'chunked in chunked', 'chunked, chunked'),
  coding('comma-first', 'an empty member first', ',chunked'),
  coding('comma-first-space', 'an empty member first', ', chunked'),
  coding('comma-last', 'an empty member last', 'chunked,'),
  coding('semicolon', 'a parameter', 'chunked;a=b'),
  coding('quoted', 'quotes', '"chunked"'),
  coding('single-quoted', 'quotes', "'chunked'"),
  coding('vt', 'vertical tab before the value', '\x0bchunked'),
  coding('ff', 'form feed before the value', '\x0cchunked'),
  coding('vt-after', 'vertical tab after the value', 'chunked\x0b'),
  coding('nbsp', 'a no-break space', '\xa0chunked'),
  coding('nul', 'NUL after the value', 'chunked\0'),
  coding('dotless', 'a letter that upper-cases to the right one', 'chun\xc4\xb1ked'),
  coding('colon', 'a second colon', ': chunked'),
  coding('empty', 'no coding', ''),
  coding('two-words', 'a word before', 'x chunked'),
  row('te-two', 'two headers', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), refused(...TE)),
  row(
    'te-two-identity',
    'chunked, then identity',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '0\r\n\r\n'),
    refused(...TE)
  ),
  row('te-two-x', 'a wrong one, then chunked', post('Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), refused(...TE)),
  row(
    'te-capitals',
    'codings are case-insensitive',
    post('Transfer-Encoding: CHUNKED\r\n', '3\r\nabc\r\n0\r\n\r\n'),
    refusedOrClean({ body: 'abc' }, TE)
  ),
  row('te-name-capitals', 'names are case-insensitive', post('TRANSFER-ENCODING: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n'), clean({ body: 'abc' })),
  row(
    'te-tabs',
    'tabs around the value are legal',
    post('Transfer-Encoding:\t chunked \t\r\n', '3\r\nabc\r\n0\r\n\r\n'),
    refusedOrClean({ body: 'abc' }, TE)
  ),
  row('te-space-colon', 'blank before the colon', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'), refused(...TE)),
  row('te-1.0', 'HTTP/1.0 knows no chunks', `POST /open/a HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, refused(...TE)),
  row(
    'te-1.0-smuggle',
    'HTTP/1.0, chunks and a request behind them',
    `POST /open/a HTTP/1.0\r\n${HOST}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    refused(...TE)
  ),
  row('te-get-smuggle', 'an unknown coding on GET hides a request', get('Transfer-Encoding: xchunked\r\n') + SMUGGLED, refused(...TE)),
  row('te-comma-smuggle', 'an empty member hides a request', `${post('Transfer-Encoding: ,chunked\r\n', '0\r\n\r\n')}${SMUGGLED}`, refused(...TE))
]

const both: readonly CorpusRow[] = [
  row(
    'both-cl-te',
    'CL.TE: the length covers a request',
    post(`Content-Length: ${5 + SMUGGLED.length}\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${SMUGGLED}`),
    refused()
  ),
  row(
    'both-te-cl',
    'TE.CL: the chunk covers a request',
    post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `${hex(SMUGGLED)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
    refused()
  ),
  row('both-agree', 'both say the same', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), refused()),
  row('both-zero', 'length zero and chunks', post('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n', `1\r\na\r\n0\r\n\r\n`), refused()),
  row('both-identity', 'identity and a length', post('Transfer-Encoding: identity\r\nContent-Length: 3\r\n', 'abc'), refused(...TE)),
  row('both-empty-te', 'an empty coding and a length', post('Transfer-Encoding:\r\nContent-Length: 3\r\n', 'abc'), refused(...TE)),
  row('both-empty-cl', 'an empty length and chunks', post('Content-Length:\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), refused()),
  row('both-obscured', 'a blank hides the coding', post(`Content-Length: 3\r\nTransfer-Encoding : chunked\r\n`, 'abc'), refused()),
  row('both-alias', 'an alias of the length beside chunks', post('Transfer-Encoding: chunked\r\nContent_Length: 3\r\n', '0\r\n\r\n'), refused()),
  row('both-get', 'CL.TE on GET', `${get(`Content-Length: ${SMUGGLED.length + 5}\r\nTransfer-Encoding: chunked\r\n`)}0\r\n\r\n${SMUGGLED}`, refused())
]

const bodies: readonly CorpusRow[] = ['GET', 'HEAD', 'OPTIONS', 'DELETE'].flatMap((method) => [
  row(
    `body-${method.toLowerCase()}`,
    'CL.0: a server that ignores the body would read a request in it',
    `${method} /open/a HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    refusedOrClean({ method, body: SMUGGLED }, [400, 413])
  ),
  row(
    `body-chunked-${method.toLowerCase()}`,
    'the same in chunks',
    `${method} /open/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${hex(SMUGGLED)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    refusedOrClean({ method, body: SMUGGLED }, [400, 413])
  )
])

const expects: readonly CorpusRow[] = [
  row('expect-unknown', 'an expectation that nobody knows', post('Expect: y\r\nContent-Length: 3\r\n', 'abc'), refused(417, 400)),
  row('expect-prefix', 'a word before 100-continue', post('Expect: y 100-continue\r\nContent-Length: 3\r\n', 'abc'), refused(417, 400)),
  row('expect-list', 'a list', post('Expect: 100-continue, y\r\nContent-Length: 3\r\n', 'abc'), refused(417, 400)),
  row('expect-parameter', 'a parameter', post('Expect: 100-continue;a=b\r\nContent-Length: 3\r\n', 'abc'), refused(417, 400)),
  row('expect-200', 'another status', post('Expect: 200-ok\r\nContent-Length: 3\r\n', 'abc'), refused(417, 400)),
  row('expect-empty', 'an empty expectation', post('Expect:\r\nContent-Length: 3\r\n', 'abc'), refused(417, 400)),
  row('expect-two', 'two expectations', post('Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3\r\n', 'abc'), refused(417, 400)),
  row('expect-alias', 'an obscured name', post('Expect : 100-continue\r\nContent-Length: 3\r\n', 'abc'), refused(417, 400)),
  row('expect-get', 'an expectation without body', get('Expect: 100-continue\r\n'), refusedOrClean({ headers: { expect: undefined } }, [400, 417])),
  row(
    'expect-smuggle',
    '0.CL: the body must not become a request',
    post(`Expect: y 100-continue\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    refused(417, 400)
  )
]

/** The good first one must get its whole answer although the second one is refused at once. */
const pipelined: readonly CorpusRow[] = [
  row('pipe-bad-host', 'a good request, then one with two hosts', `${get()}GET /open/b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`, firstThenRefused({})),
  row(
    'pipe-bad-te',
    'a good request, then an unknown coding',
    `${get()}${post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')}`,
    firstThenRefused({}, ...TE)
  ),
  row('pipe-bad-line', 'a good request, then no request line', `${get()}JUNK\r\n\r\n`, firstThenRefused({})),
  row('pipe-bad-version', 'a good request, then HTTP/2.0', `${get()}GET /open/b HTTP/2.0\r\n${HOST}\r\n`, firstThenRefused({}, 400, 505)),
  row(
    'pipe-both',
    'a good request, then CL and TE',
    `${get()}${post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')}`,
    firstThenRefused({})
  ),
  row('pipe-no-host', 'a good request, then one without Host', `${get()}GET /open/b HTTP/1.1\r\n\r\n`, firstThenRefused({})),
  row('pipe-trace', 'a good request, then TRACE', `${get()}TRACE /open/b HTTP/1.1\r\n${HOST}\r\n`, firstThenRefused({}, 400, 405, 501)),
  row(
    'pipe-body-then-junk',
    'a good body, then junk',
    `${post('Content-Length: 3\r\n', 'abc')}XYZ\r\n\r\n`,
    firstThenRefused({ method: 'POST', body: 'abc' })
  ),
  row(
    'pipe-chunked-then-junk',
    'a good chunked body, then junk',
    `${chunked('3\r\nabc\r\n0\r\n\r\n')}XYZ\r\n\r\n`,
    firstThenRefused({ method: 'POST', body: 'abc' })
  ),
  row('pipe-close', 'what comes after Connection: close is not read', `${get('Connection: close\r\n')}${SMUGGLED}`, clean({})),
  row('pipe-refused-first', 'a refused request, then a good one', `${get('Transfer-Encoding: identity\r\n')}${SMUGGLED}`, refused(...TE)),
  row('pipe-1.0', 'HTTP/1.0 without keep-alive ends after the first', `GET /open/a HTTP/1.0\r\n${HOST}\r\n${SMUGGLED}`, clean({}))
]

function hex(body: string): string {
  return body.length.toString(16)
}

export const hostileFraming: readonly CorpusRow[] = [...lengths, ...codings, ...both, ...bodies, ...expects, ...pipelined]

import { type CorpusRow, CUT_OFF, chunked, clean, neverComplete, refusedOrClean, row, SMUGGLED } from './corpus.ts'

/**
 * A chunked body may be streamed, so the upstream may have seen its beginning when the fault comes.
 * It must never see the end: the request stays incomplete, its connection is dropped.
 */
const BROKEN = [400, 413, 431, 502] as const

const broken = (id: string, why: string, body: string): CorpusRow => row(`chunk-${id}`, why, chunked(body), neverComplete(...BROKEN))

const sizes: readonly CorpusRow[] = [
  broken('size-lf', 'the size line ends in LF', '3\nabc\r\n0\r\n\r\n'),
  broken('size-cr', 'the size line ends in CR', '3\rabc\r\n0\r\n\r\n'),
  broken('data-lf', 'the data ends in LF', '3\r\nabc\n0\r\n\r\n'),
  broken('data-no-end', 'the data ends without line end', '3\r\nabc0\r\n\r\n'),
  broken('last-lf', 'the last size line ends in LF', '3\r\nabc\r\n0\n\r\n'),
  broken('end-lf', 'the empty line is LF', '3\r\nabc\r\n0\r\n\n'),
  broken('hex-prefix', '0x before the size', '0x3\r\nabc\r\n0\r\n\r\n'),
  broken('hex-prefix-upper', '0X before the size', '0X3\r\nabc\r\n0\r\n\r\n'),
  broken('plus', 'a plus sign', '+3\r\nabc\r\n0\r\n\r\n'),
  broken('minus', 'a negative size', '-1\r\nabc\r\n0\r\n\r\n'),
  broken('underscore', 'a digit group', '0_3\r\nabc\r\n0\r\n\r\n'),
  broken('letters', 'a size that is no number', 'xyz\r\nabc\r\n0\r\n\r\n'),
  broken('letters-after', 'letters after the digits', '3z\r\nabc\r\n0\r\n\r\n'),
  broken('empty-size', 'an empty size line', '\r\nabc\r\n0\r\n\r\n'),
  broken('leading-space', 'a blank before the size', ' 3\r\nabc\r\n0\r\n\r\n'),
  broken('trailing-space', 'a blank after the size', '3 \r\nabc\r\n0\r\n\r\n'),
  broken('trailing-tab', 'a tab after the size', '3\t\r\nabc\r\n0\r\n\r\n'),
  broken('trailing-vt', 'a vertical tab after the size', '3\x0b\r\nabc\r\n0\r\n\r\n'),
  broken('nul', 'NUL after the size', '3\0\r\nabc\r\n0\r\n\r\n'),
  broken('comma', 'two sizes', '3,3\r\nabc\r\n0\r\n\r\n'),
  broken('overrun', 'more data than the size says', '3\r\nabcdef\r\n0\r\n\r\n'),
  broken('overrun-request', 'the overrun is a request', `3\r\nabc${SMUGGLED}\r\n0\r\n\r\n`),
  broken('overflow-64', '2^64 + 3', '10000000000000003\r\nabc\r\n0\r\n\r\n'),
  row(
    'chunk-overflow-32',
    'a 32-bit reader takes this size for 3 and the end for the end',
    chunked('100000003\r\nabc\r\n0\r\n\r\n'),
    neverComplete(...BROKEN),
    CUT_OFF
  ),
  broken('overflow-long', '40 digits', `${'f'.repeat(40)}\r\nabc\r\n0\r\n\r\n`),
  broken('fullwidth', 'a full-width digit', '\xef\xbc\x93\r\nabc\r\n0\r\n\r\n'),
  row('chunk-leading-zeros', 'leading zeros are legal', chunked('0003\r\nabc\r\n0\r\n\r\n'), refusedOrClean({ body: 'abc' })),
  row('chunk-zero-long', 'a last chunk of many zeros', chunked('3\r\nabc\r\n000\r\n\r\n'), refusedOrClean({ body: 'abc' })),
  row('chunk-upper', 'hexadecimal in capitals', chunked('A\r\n0123456789\r\n0\r\n\r\n'), clean({ body: '0123456789' }))
]

const extensions: readonly CorpusRow[] = [
  broken('ext-bare', 'a semicolon without name', '3;\r\nabc\r\n0\r\n\r\n'),
  broken('ext-lf', 'LF in an extension', '3;a\nX\r\nabc\r\n0\r\n\r\n'),
  broken('ext-cr', 'a bare CR in an extension', '3;a\rX\r\nabc\r\n0\r\n\r\n'),
  broken('ext-nul', 'NUL in an extension', '3;a\0b\r\nabc\r\n0\r\n\r\n'),
  broken('ext-quote-open', 'a quoted value that does not end', '3;a="b\r\nabc\r\n0\r\n\r\n'),
  broken('ext-20k', 'an extension of 20 KiB', `3;a=${'b'.repeat(20_480)}\r\nabc\r\n0\r\n\r\n`),
  row('chunk-ext-name', 'a legal extension is dropped or refused', chunked('3;a\r\nabc\r\n0\r\n\r\n'), refusedOrClean({ body: 'abc' })),
  row('chunk-ext-value', 'a legal extension is dropped or refused', chunked('3;a=b\r\nabc\r\n0\r\n\r\n'), refusedOrClean({ body: 'abc' })),
  row('chunk-ext-quoted', 'a legal extension is dropped or refused', chunked('3;a="b c"\r\nabc\r\n0\r\n\r\n'), refusedOrClean({ body: 'abc' })),
  row('chunk-ext-last', 'an extension of the last chunk', chunked('3\r\nabc\r\n0;a=b\r\n\r\n'), refusedOrClean({ body: 'abc' }))
]

const ends: readonly CorpusRow[] = [
  row('chunk-cut-size', 'ends inside the size line', chunked('3'), neverComplete(400, 408, 499, 502), CUT_OFF),
  row('chunk-cut-data', 'ends inside the data', chunked('3\r\na'), neverComplete(400, 408, 499, 502), CUT_OFF),
  row('chunk-cut-before-last', 'the last chunk is missing', chunked('3\r\nabc\r\n'), neverComplete(400, 408, 499, 502), CUT_OFF),
  row('chunk-cut-last-crlf', 'the last CRLF is missing', chunked('3\r\nabc\r\n0\r\n'), neverComplete(400, 408, 499, 502), CUT_OFF),
  row('chunk-cut-trailer', 'ends inside a trailer', chunked('3\r\nabc\r\n0\r\nX-A: b'), neverComplete(400, 408, 499, 502), CUT_OFF),
  broken('last-twice', 'the last CRLF is missing and a request follows', `3\r\nabc\r\n0\r\n${SMUGGLED}`)
]

const trailer = (id: string, why: string, line: string): CorpusRow =>
  row(`trailer-${id}`, why, chunked(`3\r\nabc\r\n0\r\n${line}\r\n\r\n`), {
    // Dropping trailers is as good as refusing; only what they say must never count.
    kind: 'refused-or-clean',
    statuses: BROKEN,
    see: { body: 'abc', headers: { [line.slice(0, line.indexOf(':')).toLowerCase()]: undefined } }
  })

const trailers: readonly CorpusRow[] = [
  trailer('authorization', 'credentials in trailers', 'Authorization: Bearer a'),
  trailer('cookie', 'a cookie in trailers', 'Cookie: a=b'),
  trailer('content-type', 'a content type in trailers', 'Content-Type: a/b'),
  trailer('x-forwarded-for', 'an address in trailers', 'X-Forwarded-For: 1.2.3.4'),
  trailer('key', 'the routing key in trailers', 'X-User-Id: 42'),
  trailer('legal', 'a trailer without meaning is dropped', 'X-A: b'),
  broken('trailer-host', 'Host in trailers', '3\r\nabc\r\n0\r\nHost: evil.example\r\n\r\n'),
  broken('trailer-cl', 'Content-Length in trailers', '3\r\nabc\r\n0\r\nContent-Length: 30\r\n\r\n'),
  broken('trailer-te', 'Transfer-Encoding in trailers', '3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n'),
  broken('trailer-no-colon', 'a trailer without colon', '3\r\nabc\r\n0\r\njunk\r\n\r\n'),
  broken('trailer-space-colon', 'blank before the colon in a trailer', '3\r\nabc\r\n0\r\nX-A : b\r\n\r\n'),
  broken('trailer-fold', 'a folded trailer', '3\r\nabc\r\n0\r\nX-A: b\r\n c\r\n\r\n'),
  broken('trailer-lf', 'a trailer that ends in LF', '3\r\nabc\r\n0\r\nX-A: b\n\r\n'),
  broken('trailer-nul', 'NUL in a trailer', '3\r\nabc\r\n0\r\nX-A: b\0\r\n\r\n'),
  broken('trailer-request', 'a request line in the trailers', `3\r\nabc\r\n0\r\n${SMUGGLED}`),
  broken('trailer-64k', '64 KiB of trailers', `3\r\nabc\r\n0\r\n${`X-A: ${'b'.repeat(1_000)}\r\n`.repeat(64)}\r\n`)
]

export const hostileChunked: readonly CorpusRow[] = [...sizes, ...extensions, ...ends, ...trailers]

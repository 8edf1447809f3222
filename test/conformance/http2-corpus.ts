import { FORGED, type Seen, SMUGGLED } from './corpus.ts'
import { END_HEADERS, END_STREAM, FRAME, frame, headerBlock, headersFrame, literal, prefixed, settingsPayload } from './http2-wire.ts'

/** One stream (number 1) of HTTP/2, frame by frame. */
export interface WireRow {
  readonly id: string
  readonly why: string
  readonly frames: readonly Buffer[]
  /**
   * `refused`: reset, error status or end of the connection, nothing at the upstream.
   * `never-complete`: the same, but the upstream may have seen the beginning.
   */
  readonly expect: { readonly kind: 'refused' | 'never-complete' } | { readonly kind: 'clean' | 'refused-or-clean'; readonly see: Seen }
}

type Field = readonly [name: string, value: string]

const METHOD: Field = [':method', 'GET']
const SCHEME: Field = [':scheme', 'https']
const AUTHORITY: Field = [':authority', 'shop.example']
const PATH: Field = [':path', '/open/a']
const GET: readonly Field[] = [METHOD, SCHEME, AUTHORITY, PATH]
const POST: readonly Field[] = [[':method', 'POST'], SCHEME, AUTHORITY, PATH]
const USER: readonly Field[] = [METHOD, SCHEME, AUTHORITY, [':path', '/api/a'], ['x-user-id', '42']]
const NAMES = ['cell', 'space', 'bucket', 'epoch', 'key', 'hop', 'sig']

const refused = { kind: 'refused' } as const
const neverComplete = { kind: 'never-complete' } as const
const clean = (see: Seen = {}): WireRow['expect'] => ({ kind: 'clean', see })
const refusedOrClean = (see: Seen = {}): WireRow['expect'] => ({ kind: 'refused-or-clean', see })

function fields(id: string, why: string, list: readonly Field[], expect: WireRow['expect'] = refused): WireRow {
  return { id, why, frames: [headersFrame(1, list)], expect }
}

function body(id: string, why: string, list: readonly Field[], text: string, expect: WireRow['expect']): WireRow {
  return { id, why, frames: [headersFrame(1, list, END_HEADERS), frame(FRAME.data, END_STREAM, 1, Buffer.from(text))], expect }
}

function raw(id: string, why: string, frames: readonly Buffer[], expect: WireRow['expect'] = refused): WireRow {
  return { id, why, frames, expect }
}

const internal: readonly WireRow[] = [
  ...NAMES.flatMap((name) => [
    fields(`spoof-${name}`, 'as we write it', [...USER, [`x-cellway-${name}`, FORGED]], refusedOrClean()),
    fields(`spoof-${name}-underscore`, 'CGI spelling', [...USER, [`x_cellway_${name}`, FORGED]], refusedOrClean()),
    fields(`spoof-${name}-dot`, 'dots', [...USER, [`x.cellway.${name}`, FORGED]], refusedOrClean())
  ]),
  fields('spoof-capitals', 'capitals are malformed in HTTP/2', [...GET, ['X-Cellway-Cell', FORGED]]),
  fields('spoof-twice', 'twice', [...USER, ['x-cellway-cell', FORGED], ['x-cellway-cell', 'beijing']], refusedOrClean()),
  fields('spoof-unknown', 'a name of our prefix that we do not use', [...USER, ['x-cellway-admin', FORGED]], refusedOrClean()),
  fields('spoof-padded', 'behind 80 headers', [...GET, ...padding(80), ['x-cellway-cell', FORGED]], refusedOrClean()),
  fields('spoof-named', 'named in a Connection header, which HTTP/2 does not have', [...GET, ['connection', 'x-cellway-cell']]),
  raw(
    'spoof-trailer',
    'in trailers',
    [headersFrame(1, POST, END_HEADERS), frame(FRAME.data, 0, 1, Buffer.from('abc')), headersFrame(1, [['x-cellway-cell', FORGED]])],
    refusedOrClean()
  )
]

const connection: readonly WireRow[] = [
  fields('connection', 'Connection', [...GET, ['connection', 'keep-alive']]),
  fields('keep-alive', 'Keep-Alive', [...GET, ['keep-alive', 'timeout=5']]),
  fields('proxy-connection', 'Proxy-Connection', [...GET, ['proxy-connection', 'keep-alive']]),
  fields('upgrade', 'Upgrade', [...GET, ['upgrade', 'websocket']]),
  fields('te-gzip', 'TE may only say trailers', [...GET, ['te', 'gzip']]),
  fields('te-trailers', 'TE: trailers is legal', [...GET, ['te', 'trailers']], clean({ headers: { te: undefined } })),
  body('transfer-encoding', 'chunks inside of frames', [...POST, ['transfer-encoding', 'chunked']], `0\r\n\r\n${SMUGGLED}`, refused),
  body('transfer-encoding-alias', 'another spelling', [...POST, ['transfer_encoding', 'chunked']], `0\r\n\r\n${SMUGGLED}`, refused),
  fields('transfer-encoding-identity', 'identity', [...GET, ['transfer-encoding', 'identity']]),
  fields('expect-odd', 'an odd expectation', [...GET, ['expect', 'y']])
]

const without = (name: string): readonly Field[] => GET.filter(([candidate]) => candidate !== name)
const withValue = (name: string, value: string): readonly Field[] => GET.map((field) => (field[0] === name ? [name, value] : field))

const pseudo: readonly WireRow[] = [
  fields('no-method', 'no :method', without(':method')),
  fields('no-scheme', 'no :scheme', without(':scheme')),
  fields('no-path', 'no :path', without(':path')),
  fields('no-authority', 'neither :authority nor Host', without(':authority')),
  fields('two-methods', 'two :method', [METHOD, ...GET]),
  fields('two-paths', 'two :path', [...GET, [':path', '/api/a']]),
  fields('two-schemes', 'two :scheme', [SCHEME, ...GET]),
  fields('two-authorities', 'two :authority', [...GET, [':authority', 'evil.example']]),
  fields('unknown-pseudo', 'a pseudo header that does not exist', [...GET, [':user', 'a']]),
  fields('status', ':status is for answers', [...GET, [':status', '200']]),
  fields('pseudo-late', 'a pseudo header after a plain one', [METHOD, SCHEME, AUTHORITY, ['x-a', 'b'], PATH]),
  fields('protocol', 'extended CONNECT that nobody offered', [[':method', 'CONNECT'], [':protocol', 'websocket'], SCHEME, AUTHORITY, PATH]),
  fields('connect', 'CONNECT would make a tunnel', [
    [':method', 'CONNECT'],
    [':authority', 'shop.example:443']
  ]),
  fields('trace', 'TRACE would echo internal headers', withValue(':method', 'TRACE')),
  fields('method-lower', 'methods are case-sensitive', withValue(':method', 'get')),
  fields('method-empty', 'an empty method', withValue(':method', '')),
  fields('method-line', 'a request line in the method', withValue(':method', 'GET /open/smuggled HTTP/1.1\r\nX: ')),
  fields('method-space', 'a blank in the method', withValue(':method', 'GET /open/smuggled')),
  fields('scheme-odd', 'a scheme that is none', withValue(':scheme', 'https://evil.example/?')),
  fields('path-empty', 'an empty path', withValue(':path', '')),
  fields('path-no-slash', 'a path without slash', withValue(':path', 'open/a')),
  fields('path-star', 'the star is for OPTIONS', withValue(':path', '*')),
  fields('path-absolute', 'a URL in the path', withValue(':path', 'http://evil.example/open/a')),
  fields('path-space', 'a blank in the path', withValue(':path', '/open/a HTTP/1.1')),
  fields('path-crlf', 'a request in the path', withValue(':path', `/open/a HTTP/1.1\r\nHost: a\r\n\r\n${SMUGGLED}`)),
  fields('path-lf', 'LF in the path', withValue(':path', '/open/a\nb')),
  fields('path-nul', 'NUL in the path', withValue(':path', '/open/a\0b')),
  fields('path-tab', 'a tab in the path', withValue(':path', '/open/a\tb')),
  fields('path-fragment', 'a fragment in the path', withValue(':path', '/open/a#b')),
  fields('path-backslash', 'a backslash in the path', withValue(':path', '/open\\..\\api')),
  fields('path-utf8', 'raw UTF-8 in the path', withValue(':path', '/open/\xc3\xa9')),
  fields('path-dots', 'dot segments', withValue(':path', '/open/../api/a')),
  fields('path-long', 'over 8 KiB', withValue(':path', `/open/${'a'.repeat(9_000)}`)),
  fields('authority-empty', 'an empty authority', withValue(':authority', '')),
  fields('authority-userinfo', 'user info', withValue(':authority', 'user@shop.example')),
  fields('authority-path', 'a path in the authority', withValue(':authority', 'shop.example/open')),
  fields('authority-comma', 'a list', withValue(':authority', 'shop.example,evil.example')),
  fields('authority-space', 'a blank', withValue(':authority', 'shop.example evil')),
  fields('authority-crlf', 'a header in the authority', withValue(':authority', 'shop.example\r\nX-A: b')),
  fields('host-differs', ':authority and Host differ', [...GET, ['host', 'evil.example']]),
  fields('host-same', ':authority and Host agree', [...GET, ['host', 'shop.example']], clean({ headers: { host: 'shop.example' } })),
  fields(
    'host-only',
    'Host without :authority',
    [...without(':authority'), ['host', 'shop.example']],
    refusedOrClean({ headers: { host: 'shop.example' } })
  ),
  fields('host-two', 'two Host', [...without(':authority'), ['host', 'shop.example'], ['host', 'evil.example']])
]

/** nghttp2 drops a field with such bytes before node sees it; dropped or refused are both right, as long as no trace of it goes on. */
const DROPPED = refusedOrClean({ headers: { 'x-a': undefined, 'x-b': undefined, x: undefined } })

const syntax: readonly WireRow[] = [
  fields('name-capitals', 'names are lower case', [...GET, ['X-A', 'b']]),
  fields('name-empty', 'an empty name', [...GET, ['', 'b']], DROPPED),
  fields('name-space', 'a blank in the name', [...GET, ['x a', 'b']], DROPPED),
  fields('name-colon', 'a colon in the name', [...GET, ['x:a', 'b']], DROPPED),
  fields('name-crlf', 'a header in the name', [...GET, ['x-a: b\r\nx-b', 'c']], DROPPED),
  fields('name-nul', 'NUL in the name', [...GET, ['x\0a', 'b']], DROPPED),
  fields('name-paren', 'no token', [...GET, ['x(a)', 'b']], DROPPED),
  fields('name-utf8', 'bytes beyond ASCII in the name', [...GET, ['x-\xc3\xa9', 'b']], DROPPED),
  fields('value-crlf', 'a header in the value', [...GET, ['x-a', 'b\r\nx-b: c']], DROPPED),
  fields('value-request', 'a request in the value', [...GET, ['x-a', `b\r\n\r\n${SMUGGLED}`]], DROPPED),
  fields('value-cr', 'CR in the value', [...GET, ['x-a', 'b\rc']], DROPPED),
  fields('value-lf', 'LF in the value', [...GET, ['x-a', 'b\nc']], DROPPED),
  fields('value-nul', 'NUL in the value', [...GET, ['x-a', 'b\0c']], DROPPED),
  fields('value-control', 'a control byte in the value', [...GET, ['x-a', 'b\x01c']], DROPPED),
  fields('value-space', 'a value that begins with a blank', [...GET, ['x-a', ' b']], refusedOrClean()),
  fields('key-twice', 'two headers with the routing key', [...USER, ['x-user-id', '43']]),
  fields('headers-150', '150 headers', [...GET, ...padding(150)]),
  raw('headers-40k', '40 KiB of headers in several frames', [
    headersFrame(1, GET, END_STREAM),
    frame(FRAME.continuation, 0, 1, headerBlock([['x-a', 'b'.repeat(15_000)]])),
    frame(FRAME.continuation, 0, 1, headerBlock([['x-b', 'c'.repeat(15_000)]])),
    frame(FRAME.continuation, END_HEADERS, 1, headerBlock([['x-c', 'd'.repeat(10_000)]]))
  ]),
  fields(
    'cookies',
    'cookie crumbs become one header again',
    [...GET, ['cookie', 'a=1'], ['cookie', 'b=2']],
    clean({ headers: { cookie: 'a=1; b=2' } })
  )
]

const lengths: readonly WireRow[] = [
  body(
    'length-short',
    'the length says less than comes: the rest would be a request',
    [...POST, ['content-length', '3']],
    `abc${SMUGGLED}`,
    neverComplete
  ),
  body('length-zero', 'a length of zero and a body', [...POST, ['content-length', '0']], SMUGGLED, neverComplete),
  body('length-long', 'the length says more than comes', [...POST, ['content-length', '30']], 'abc', neverComplete),
  fields('length-no-body', 'a length and no body', [...POST, ['content-length', '30']], neverComplete),
  fields('length-get', 'a length on GET and no body', [...GET, ['content-length', '30']], neverComplete),
  body('length-two', 'two lengths', [...POST, ['content-length', '3'], ['content-length', '30']], 'abc', refused),
  body('length-two-same', 'two equal lengths', [...POST, ['content-length', '3'], ['content-length', '3']], 'abc', refusedOrClean({ body: 'abc' })),
  body('length-001', 'leading zeros', [...POST, ['content-length', '003']], 'abc', refused),
  body('length-plus', 'a plus sign', [...POST, ['content-length', '+3']], 'abc', refused),
  body('length-list', 'a list', [...POST, ['content-length', '3, 3']], 'abc', refused),
  body('length-negative', 'a negative length', [...POST, ['content-length', '-1']], 'abc', refused),
  body('length-right', 'the control row: a right length', [...POST, ['content-length', '3']], 'abc', clean({ body: 'abc' })),
  body('length-none', 'no length: framed anew', POST, 'abc', clean({ body: 'abc' })),
  body('body-get', 'a body on GET', GET, SMUGGLED, refusedOrClean({ method: 'GET', body: SMUGGLED }))
]

const trailing = (id: string, why: string, list: readonly Field[], expect: WireRow['expect']): WireRow =>
  raw(`trailer-${id}`, why, [headersFrame(1, POST, END_HEADERS), frame(FRAME.data, 0, 1, Buffer.from('abc')), headersFrame(1, list)], expect)

const framesRows: readonly WireRow[] = [
  trailing('legal', 'trailers without meaning are dropped', [['x-a', 'b']], refusedOrClean({ body: 'abc', headers: { 'x-a': undefined } })),
  trailing('pseudo', 'a pseudo header in trailers', [[':path', '/api/a']], neverComplete),
  trailing('host', 'Host in trailers', [['host', 'evil.example']], neverComplete),
  trailing('length', 'Content-Length in trailers', [['content-length', '30']], neverComplete),
  raw('hpack-index', 'an index that no table has', [frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.from([0xff, 0x80, 0x01]))]),
  raw('hpack-index-zero', 'index zero', [frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.from([0x80]))]),
  raw('hpack-cut', 'a literal that ends early', [
    frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.concat([headerBlock(GET), Buffer.from([0x00, 0x7f, 0x61])]))
  ]),
  raw('hpack-table', 'a table larger than agreed', [
    frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.concat([Buffer.from([0x3f]), prefixed(1 << 24, 7), headerBlock(GET)]))
  ]),
  raw('stream-even', 'an even stream number', [headersFrame(2, GET)]),
  raw('stream-zero', 'headers on stream 0', [headersFrame(0, GET)]),
  raw('data-idle', 'data on a stream that was not opened', [frame(FRAME.data, END_STREAM, 1, Buffer.from('abc'))]),
  raw('data-zero', 'data on stream 0', [frame(FRAME.data, END_STREAM, 0, Buffer.from('abc'))]),
  raw('push', 'clients do not push', [frame(FRAME.push, END_HEADERS, 1, Buffer.concat([Buffer.from([0, 0, 0, 2]), headerBlock(GET)]))]),
  raw('continuation-alone', 'CONTINUATION without HEADERS', [frame(FRAME.continuation, END_HEADERS, 1, headerBlock(GET))]),
  raw('continuation-between', 'another frame inside of a header block', [
    headersFrame(1, GET, END_STREAM),
    frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
    frame(FRAME.continuation, END_HEADERS, 1, headerBlock([['x-a', 'b']]))
  ]),
  raw(
    'continuation',
    'a header block in two frames',
    [headersFrame(1, GET, END_STREAM), frame(FRAME.continuation, END_HEADERS, 1, literalField())],
    clean({ headers: { 'x-a': 'b' } })
  ),
  raw('frame-large', 'a frame over the agreed size', [
    frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.concat([headerBlock(GET), headerBlock([['x-a', 'b'.repeat(20_000)]])]))
  ]),
  raw('settings-length', 'a SETTINGS frame of five bytes', [frame(FRAME.settings, 0, 0, Buffer.alloc(5)), headersFrame(1, GET)]),
  raw('settings-window', 'a window beyond 2^31', [frame(FRAME.settings, 0, 0, settingsPayload([[4, 0x80000000]])), headersFrame(1, GET)]),
  raw('window-zero', 'a window update of zero on the connection', [frame(FRAME.window, 0, 0, Buffer.alloc(4)), headersFrame(1, GET)]),
  raw('ping-length', 'a PING of seven bytes', [frame(FRAME.ping, 0, 0, Buffer.alloc(7)), headersFrame(1, GET)]),
  raw('type-unknown', 'unknown frame types are ignored', [frame(0x7e, 0, 0, Buffer.from('abc')), headersFrame(1, GET)], clean()),
  raw('good', 'the control row: nothing odd', [headersFrame(1, GET)], clean({ method: 'GET', target: '/open/a', headers: { host: 'shop.example' } }))
]

export const http2Corpus: Readonly<Record<string, readonly WireRow[]>> = {
  'internal headers': internal,
  'connection headers': connection,
  'pseudo headers': pseudo,
  'header syntax': syntax,
  lengths,
  frames: framesRows
}

function literalField(): Buffer {
  return Buffer.concat([Buffer.from([0x00]), literal('x-a'), literal('b')])
}

function padding(count: number): readonly Field[] {
  return Array.from({ length: count }, (_, index) => [`x-p${index}`, 'b'] as const)
}

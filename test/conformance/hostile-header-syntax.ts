import { type CorpusRow, CUT_OFF, clean, get, post, refused, refusedOrClean, row, SMUGGLED } from './corpus.ts'

const SIZE = [431, 400, 413] as const

const lines: readonly CorpusRow[] = [
  row('header-fold-space', 'a folded line with a blank', get('X-A: b\r\n c\r\n'), refused()),
  row('header-fold-tab', 'a folded line with a tab', get('X-A: b\r\n\tc\r\n'), refused()),
  row('header-fold-empty', 'a folded line of blanks', get('X-A: b\r\n \r\n'), refused()),
  row('header-fold-framing', 'a folded Transfer-Encoding', post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'), refused()),
  row('header-space-colon', 'blank before the colon', get('X-A : b\r\n'), refused()),
  row('header-tab-colon', 'tab before the colon', get('X-A\t: b\r\n'), refused()),
  row('header-space-in-name', 'blank in the name', get('X A: b\r\n'), refused()),
  row('header-no-colon', 'a line without colon', get('X-A\r\n'), refused()),
  row('header-no-name', 'an empty name', get(': b\r\n'), refused()),
  row('header-only-colon', 'only a colon', get(':\r\n'), refused()),
  row('header-name-nul', 'NUL in the name', get('X-\0A: b\r\n'), refused()),
  row('header-name-utf8', 'bytes beyond ASCII in the name', get('X-\xc3\xa9: b\r\n'), refused()),
  row('header-name-paren', 'parenthesis in the name', get('X(A): b\r\n'), refused()),
  row('header-name-at', 'at sign in the name', get('X@A: b\r\n'), refused()),
  row('header-name-slash', 'slash in the name', get('X/A: b\r\n'), refused()),
  row('header-name-brackets', 'brackets in the name', get('X[A]: b\r\n'), refused()),
  row('header-name-quoted', 'quotes in the name', get('"X-A": b\r\n'), refused()),
  row('header-name-comma', 'comma in the name', get('X,A: b\r\n'), refused()),
  row('header-name-semicolon', 'semicolon in the name', get('X;A: b\r\n'), refused()),
  row('header-name-vt', 'vertical tab before the name', get('\x0bX-A: b\r\n'), refused()),
  row('header-value-nul', 'NUL in the value', get('X-A: b\0c\r\n'), refused()),
  row('header-value-control', 'a control byte in the value', get('X-A: b\x01c\r\n'), refused()),
  row('header-value-del', 'DEL in the value', get('X-A: b\x7fc\r\n'), refused()),
  row('header-value-cr', 'a bare CR in the value', get('X-A: b\rX-B: c\r\n'), refused()),
  row('header-value-cr-end', 'CR CR LF', get('X-A: b\r\r\n'), refused()),
  row('header-value-lf', 'a line that ends in LF', get('X-A: b\nX-B: c\r\n'), refused()),
  row('header-lf-cr', 'LF CR', get('X-A: b\n\rX-B: c\r\n'), refused()),
  row('header-end-lf', 'the empty line is only LF', `${get('X-A: b\r\n').slice(0, -2)}\n`, refused()),
  row('header-end-cr', 'the empty line is only CR, then a request', `${get('X-A: b\r\n').slice(0, -2)}\r${SMUGGLED}`, refused()),
  row('header-leading-space', 'an indented first header line', 'GET /open/a HTTP/1.1\r\n X-A: b\r\nHost: shop.example\r\n\r\n', refused()),
  row(
    'header-cut',
    'the header block ends in the middle',
    get('X-A: b\r\n').slice(0, -6),
    { kind: 'refused', statuses: [400, 408], silent: true },
    CUT_OFF
  )
]

const sizes: readonly CorpusRow[] = [
  row('header-101', '101 headers besides Host', get(numbered(101)), refused(...SIZE)),
  row('header-500', '500 headers', get(numbered(500)), refused(...SIZE)),
  row('header-2500', '2,500 short headers: old Node versions lose the ones beyond 2,000', get('a: b\r\n'.repeat(2_500)), refused(...SIZE)),
  row('header-17k', 'one header of 17 KiB', get(`X-A: ${'b'.repeat(17 * 1024)}\r\n`), refused(...SIZE)),
  row('header-17k-many', '17 KiB in 60 headers', get(numbered(60, 'b'.repeat(280))), refused(...SIZE)),
  row('header-name-17k', 'a name of 17 KiB', get(`X-${'A'.repeat(17 * 1024)}: b\r\n`), refused(...SIZE)),
  row('header-100k', '100 KiB of headers', get(`X-A: ${'b'.repeat(100 * 1024)}\r\n`), refused(...SIZE)),
  row('header-cookies-17k', '17 KiB of cookies', get(`Cookie: ${'a=b; '.repeat(3_500)}c=d\r\n`), refused(...SIZE))
]

/** CGI and WSGI map `-` to `_`, so a second spelling can shadow the first one behind us. */
const aliases: readonly CorpusRow[] = [
  row('alias-te', 'Transfer_Encoding', get('Transfer_Encoding: chunked\r\n'), refused()),
  row('alias-te-with-cl', 'Transfer_Encoding beside Content-Length', post('Content-Length: 3\r\nTransfer_Encoding: chunked\r\n', 'abc'), refused()),
  row('alias-cl', 'Content_Length', get('Content_Length: 5\r\n'), refused()),
  row('alias-cl-with-cl', 'Content_Length beside Content-Length', post('Content-Length: 3\r\nContent_Length: 30\r\n', 'abc'), refused()),
  row('alias-te-dot', 'Transfer.Encoding', get('Transfer.Encoding: chunked\r\n'), refused()),
  row('alias-cl-dot', 'Content.Length', get('Content.Length: 5\r\n'), refused()),
  row('alias-te-caps', 'TRANSFER_ENCODING', get('TRANSFER_ENCODING: chunked\r\n'), refused()),
  row('alias-proxy-connection', 'Proxy_Connection: stripped or refused', get('Proxy_Connection: keep-alive\r\n'), refusedOrClean()),
  row('alias-other', 'an underscore in a name without meaning', get('X_Custom: b\r\n'), refusedOrClean())
]

const hopByHop: readonly CorpusRow[] = [
  row('hop-keep-alive', 'Keep-Alive is for us', get('Keep-Alive: timeout=5\r\n'), clean({ headers: { 'keep-alive': undefined } })),
  row(
    'hop-proxy-connection',
    'Proxy-Connection is for us',
    get('Proxy-Connection: close\r\n'),
    clean({ headers: { 'proxy-connection': undefined } })
  ),
  row('hop-te', 'TE is for us', get('TE: trailers, deflate\r\nConnection: TE\r\n'), clean({ headers: { te: undefined } })),
  row('hop-te-odd', 'TE: chunked is forbidden', get('TE: chunked\r\n'), refusedOrClean({ headers: { te: undefined } })),
  row(
    'hop-proxy-authorization',
    'credentials for a proxy',
    get('Proxy-Authorization: Basic YTpi\r\n'),
    clean({ headers: { 'proxy-authorization': undefined } })
  ),
  row(
    'hop-http2-settings',
    'HTTP2-Settings is for us',
    get('HTTP2-Settings: AAMAAABk\r\n'),
    refusedOrClean({ headers: { 'http2-settings': undefined } })
  ),
  row('hop-named', 'a header that Connection names', get('Connection: X-Secret\r\nX-Secret: b\r\n'), clean({ headers: { 'x-secret': undefined } })),
  row(
    'hop-named-twice',
    'named in the second Connection',
    get('Connection: keep-alive\r\nConnection: x-secret\r\nX-Secret: b\r\n'),
    clean({ headers: { 'x-secret': undefined } })
  ),
  row('hop-trailer', 'Trailer is for us', get('Trailer: X-A\r\n'), refusedOrClean({ headers: { trailer: undefined } })),
  row('connection-host', 'Connection names Host', get('Connection: Host\r\n'), refused()),
  row('connection-host-cased', 'Connection names hOsT in a list', get('Connection: keep-alive, hOsT\r\n'), refused()),
  row('connection-cl', 'Connection names Content-Length', post('Connection: Content-Length\r\nContent-Length: 3\r\n', 'abc'), refused()),
  row(
    'connection-content-type',
    'Connection names Content-Type',
    post('Connection: content-type\r\nContent-Type: a/b\r\nContent-Length: 3\r\n', 'abc'),
    refused()
  ),
  row(
    'connection-te',
    'Connection names Transfer-Encoding',
    post('Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    refusedOrClean()
  ),
  row('connection-cookie', 'Connection names Cookie', get('Connection: Cookie\r\nCookie: a=b\r\n'), refused()),
  row(
    'connection-authorization',
    'Connection names Authorization',
    get('Connection: close, authorization\r\nAuthorization: Bearer a\r\n'),
    refused()
  ),
  row('connection-forwarded', 'Connection names Forwarded', get('Connection: Forwarded\r\n'), refused()),
  row('connection-xff', 'Connection names X-Forwarded-For', get('Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.2.3.4\r\n'), refusedOrClean()),
  row('connection-odd-token', 'a Connection value that is no token list', get('Connection: "a", (b)\r\n'), refusedOrClean()),
  row('connection-underscore', 'Connection names content_length', post('Connection: content_length\r\nContent-Length: 3\r\n', 'abc'), refused())
]

function numbered(count: number, value = 'b'): string {
  return Array.from({ length: count }, (_, index) => `X-N${index}: ${value}\r\n`).join('')
}

export const hostileHeaderSyntax: readonly CorpusRow[] = [...lines, ...sizes, ...aliases, ...hopByHop]

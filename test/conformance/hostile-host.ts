import { type CorpusRow, clean, HOST, neverComplete, refused, refusedOrClean, row, SMUGGLED } from './corpus.ts'

function withHost(lines: string, version = '1.1'): string {
  return `GET /open/a HTTP/${version}\r\n${lines}\r\n`
}

const counts: readonly CorpusRow[] = [
  row('host-missing', 'HTTP/1.1 without Host', withHost(''), refused()),
  row('host-missing-1.0', 'HTTP/1.0 may have none: one clean request or refused', withHost('', '1.0'), refusedOrClean()),
  row('host-two', 'two different hosts', withHost('Host: shop.example\r\nHost: evil.example\r\n'), refused()),
  row('host-two-same', 'two equal hosts', withHost('Host: shop.example\r\nHost: shop.example\r\n'), refused()),
  row('host-two-cased', 'the second one in capitals', withHost('Host: shop.example\r\nHOST: evil.example\r\n'), refused()),
  row('host-two-apart', 'another header in between', withHost('Host: shop.example\r\nAccept: */*\r\nhost: evil.example\r\n'), refused()),
  row('host-two-first-empty', 'the first one is empty', withHost('Host:\r\nHost: shop.example\r\n'), refused()),
  row('host-two-1.0', 'two hosts on HTTP/1.0', withHost('Host: shop.example\r\nHost: evil.example\r\n', '1.0'), refused()),
  row('host-three', 'three hosts', withHost('Host: a.example\r\nHost: b.example\r\nHost: c.example\r\n'), refused()),
  row('host-empty', 'an empty host', withHost('Host:\r\n'), refused()),
  row('host-blank', 'only blanks', withHost('Host:   \t \r\n'), refused()),
  row('host-empty-1.0', 'an empty host on HTTP/1.0', withHost('Host:\r\n', '1.0'), refused())
]

const odd = (id: string, why: string, value: string): CorpusRow => row(`host-${id}`, why, withHost(`Host: ${value}\r\n`), refused())

const values: readonly CorpusRow[] = [
  odd('userinfo', 'user info', 'user@shop.example'),
  odd('userinfo-password', 'user info with password', 'user:pass@shop.example'),
  odd('path', 'a path', 'shop.example/open'),
  odd('query', 'a query', 'shop.example?a=b'),
  odd('fragment', 'a fragment', 'shop.example#a'),
  odd('scheme', 'a URL', 'http://shop.example'),
  odd('comma', 'a list', 'shop.example, evil.example'),
  odd('comma-tight', 'a list without blank', 'shop.example,evil.example'),
  odd('space', 'a blank inside', 'shop.example evil.example'),
  odd('tab', 'a tab inside', 'shop.example\tevil.example'),
  odd('backslash', 'a backslash', 'shop.example\\evil.example'),
  odd('quoted', 'quotes', '"shop.example"'),
  odd('angle', 'angle brackets', '<shop.example>'),
  odd('at', 'only an at sign', '@'),
  odd('port-letters', 'a port that is no number', 'shop.example:abc'),
  odd('port-range', 'a port beyond 65535', 'shop.example:99999'),
  odd('port-negative', 'a negative port', 'shop.example:-1'),
  odd('port-two', 'two ports', 'shop.example:80:80'),
  odd('port-space', 'a blank before the port', 'shop.example: 80'),
  odd('port-only', 'a port without host', ':80'),
  odd('port-hex', 'a hexadecimal port', 'shop.example:0x50'),
  odd('v6-open', 'a bracket that does not close', '[::1'),
  odd('v6-junk', 'bytes after the bracket', '[::1]evil'),
  odd('v6-letters', 'brackets around a name', '[shop.example]'),
  odd('v6-zone', 'a zone in the address', '[fe80::1%25eth0]'),
  odd('utf8', 'raw bytes beyond ASCII', 'sh\xc3\xb6p.example'),
  odd('nul', 'NUL', 'shop.example\0.evil.example'),
  odd('cr', 'a bare CR', 'shop.example\rX-A: b'),
  odd('del', 'DEL', 'shop.example\x7f'),
  odd('length', 'longer than any name', `${'a'.repeat(300)}.example`)
]

const placed: readonly CorpusRow[] = [
  row('host-semicolon', 'RFC 3986 lets a name hold a semicolon', withHost('Host: shop.example;a=b\r\n'), refusedOrClean()),
  row('host-port-empty', 'an empty port is legal in RFC 3986, odd on the wire', withHost('Host: shop.example:\r\n'), refusedOrClean()),
  row('host-dot', 'a final dot', withHost('Host: shop.example.\r\n'), refusedOrClean()),
  row('host-capitals', 'capitals are legal', withHost('Host: SHOP.example\r\n'), clean({})),
  row('host-folded', 'a folded Host', withHost('Host: shop.example\r\n .evil.example\r\n'), refused()),
  row('host-space-colon', 'blank before the colon', withHost('Host : shop.example\r\n'), refused()),
  row('host-leading-space', 'the first header line is indented', withHost(' Host: shop.example\r\n'), refused()),
  row('host-second-with-space', 'a second Host with a blank before the colon', withHost(`${HOST}Host : evil.example\r\n`), refused()),
  row(
    'host-in-trailer',
    'Host in trailers',
    `POST /open/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nHost: evil.example\r\n\r\n`,
    neverComplete(400, 502)
  ),
  row('host-then-smuggled', 'a refused request with another one behind it', `${withHost('Host: a, b\r\n')}${SMUGGLED}`, refused())
]

export const hostileHost: readonly CorpusRow[] = [...counts, ...values, ...placed]

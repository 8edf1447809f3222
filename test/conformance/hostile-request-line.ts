import {
  type CorpusRow,
  CUT_OFF,
  clean,
  declined,
  firstThenRefused,
  get,
  HOST,
  refused,
  refusedOrClean,
  refusedOrClosed,
  row,
  SMUGGLED
} from './corpus.ts'

const VERSION = [400, 505] as const
const METHOD = [400, 405, 501] as const
const LENGTH = [414, 431, 400] as const

function line(requestLine: string, lines = ''): string {
  return `${requestLine}\r\n${HOST}${lines}\r\n`
}

const versions: readonly CorpusRow[] = [
  row('line-0.9', 'HTTP/0.9 has no headers, so no Host and no framing', 'GET /open/a\r\n\r\n', refused(...VERSION)),
  row('line-0.9-with-host', 'a line without version, then headers', line('GET /open/a'), refused(...VERSION)),
  row('line-0.9-cut', 'HTTP/0.9, the client is done after one line', 'GET /open/a\r\n', refusedOrClosed(...VERSION, 408), CUT_OFF),
  row('line-0.9-explicit', 'version 0.9 spelled out', line('GET /open/a HTTP/0.9'), refused(...VERSION)),
  row('line-1.2', 'a minor version that does not exist', line('GET /open/a HTTP/1.2'), refused(...VERSION)),
  row('line-1.9', 'a minor version that does not exist', line('GET /open/a HTTP/1.9'), refused(...VERSION)),
  row('line-2.0', 'HTTP/2.0 on the HTTP/1 wire', line('GET /open/a HTTP/2.0'), refused(...VERSION)),
  row('line-3.0', 'HTTP/3.0 on the HTTP/1 wire', line('GET /open/a HTTP/3.0'), refused(...VERSION)),
  row('line-1.10', 'two digits in the minor version', line('GET /open/a HTTP/1.10'), refused(...VERSION)),
  row('line-11.1', 'two digits in the major version', line('GET /open/a HTTP/11.1'), refused(...VERSION)),
  row('line-1', 'no minor version', line('GET /open/a HTTP/1'), refused(...VERSION)),
  row('line-01.1', 'leading zero in the version', line('GET /open/a HTTP/01.1'), refused(...VERSION)),
  row('line-1.1x', 'a letter after the version', line('GET /open/a HTTP/1.1x'), refused(...VERSION)),
  row('line-version-comma', 'comma for the dot', line('GET /open/a HTTP/1,1'), refused(...VERSION)),
  row('line-version-lower', 'the protocol name is case-sensitive', line('GET /open/a http/1.1'), refused(...VERSION)),
  row('line-version-https', 'HTTPS is no protocol name on the wire', line('GET /open/a HTTPS/1.1'), refused(...VERSION)),
  row('line-version-space-before-slash', 'space inside the version', line('GET /open/a HTTP /1.1'), refused(...VERSION)),
  row('line-version-space-after-slash', 'space inside the version', line('GET /open/a HTTP/ 1.1'), refused(...VERSION)),
  row('line-ice', 'llhttp knows ICE for SOURCE', line('SOURCE /open/a ICE/1.0'), refused(...VERSION, ...METHOD)),
  row('line-rtsp', 'llhttp knows RTSP', line('DESCRIBE /open/a RTSP/1.0'), refused(...VERSION, ...METHOD)),
  row('line-preface', 'the HTTP/2 preface on the HTTP/1 port', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', refusedOrClosed(...VERSION, ...METHOD)),
  row('line-preface-1.1', 'the preface method with the version of HTTP/1.1', line('PRI * HTTP/1.1'), refused(...METHOD, 404))
]

const methods: readonly CorpusRow[] = [
  row('line-method-lower', 'methods are case-sensitive', line('get /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-method-mixed', 'methods are case-sensitive', line('GeT /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-method-empty', 'no method, a leading space', line(' /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-method-leading-space', 'space before the method', line(' GET /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-method-no-token', 'parenthesis in the method', line('G(T /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-method-nul', 'NUL in the method', line('GE\0T /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-method-unknown', 'a method that nobody knows', line('FOO /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-method-prefix', 'a known method with a letter more', line('GETX /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-method-long', 'a method of 10 KiB', line(`${'A'.repeat(10_240)} /open/a HTTP/1.1`), refused(...METHOD, ...LENGTH)),
  row('line-connect', 'CONNECT would make a tunnel', 'CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n', refused(...METHOD)),
  row('line-connect-path', 'CONNECT with a path', line('CONNECT /open/a HTTP/1.1'), refused(...METHOD)),
  row(
    'line-connect-smuggle',
    'bytes after CONNECT must not become a request',
    `${line('CONNECT shop.example:443 HTTP/1.1')}${SMUGGLED}`,
    refused(...METHOD)
  ),
  row('line-trace', 'TRACE would echo internal headers', line('TRACE /open/a HTTP/1.1'), refused(...METHOD)),
  row('line-trace-max-forwards', 'TRACE with Max-Forwards', line('TRACE /open/a HTTP/1.1', 'Max-Forwards: 0\r\n'), refused(...METHOD)),
  row('line-track', 'a TRACE of some servers', line('TRACK /open/a HTTP/1.1'), refused(...METHOD)),
  row(
    'line-webdav',
    'a method outside of the common seven: unharmed or refused',
    line('PROPFIND /open/a HTTP/1.1'),
    refusedOrClean({ method: 'PROPFIND' }, METHOD)
  )
]

const spacing: readonly CorpusRow[] = [
  row('line-tabs', 'tabs as separators', line('GET\t/open/a\tHTTP/1.1'), refused()),
  row(
    'line-two-spaces-before-target',
    'several spaces: refused or written anew',
    line('GET  /open/a HTTP/1.1'),
    refusedOrClean({ target: '/open/a' })
  ),
  row(
    'line-two-spaces-before-version',
    'several spaces: refused or written anew',
    line('GET /open/a  HTTP/1.1'),
    refusedOrClean({ target: '/open/a' })
  ),
  row('line-many-spaces', 'several spaces: refused or written anew', line('GET      /open/a HTTP/1.1'), refusedOrClean({ target: '/open/a' })),
  row('line-trailing-space', 'space after the version', line('GET /open/a HTTP/1.1 '), refused(...VERSION)),
  row('line-trailing-tab', 'tab after the version', line('GET /open/a HTTP/1.1\t'), refused(...VERSION)),
  row('line-vt', 'vertical tab as separator', line('GET\x0b/open/a HTTP/1.1'), refused(...METHOD)),
  row('line-ff', 'form feed as separator', line('GET /open/a\x0cHTTP/1.1'), refused(...VERSION)),
  row('line-bare-lf', 'the line ends in LF', `GET /open/a HTTP/1.1\n${HOST}\r\n`, refused()),
  row('line-all-bare-lf', 'every line ends in LF', 'GET /open/a HTTP/1.1\nHost: shop.example\n\n', refused()),
  row('line-bare-cr', 'CR inside the line', line('GET /open/a\rX HTTP/1.1'), refused()),
  row('line-cr-cr-lf', 'CR CR LF', `GET /open/a HTTP/1.1\r\r\n${HOST}\r\n`, refused()),
  row('line-leading-crlf', 'RFC 9112 2.2 lets a server skip an empty line', `\r\n${get()}`, refusedOrClean()),
  row('line-leading-lf', 'a lone LF before the line', `\n${get()}`, refusedOrClean()),
  row('line-space-in-target', 'a space in the target', line('GET /open/a b HTTP/1.1'), refused(...VERSION)),
  row('line-only-method', 'nothing but a method', 'GET\r\n\r\n', refused(...VERSION)),
  row('line-empty-target', 'no target', line('GET  HTTP/1.1'), refused(...VERSION)),
  row('line-injected-header', 'CR LF in the target', line('GET /open/a HTTP/1.1\r\nX-A: b\r\n HTTP/1.1'), refused())
]

const targets: readonly CorpusRow[] = [
  row('target-9k', 'over 8 KiB of URL', get('', `/open/${'a'.repeat(9_000)}`), refused(...LENGTH)),
  row('target-64k', '64 KiB of URL', get('', `/open/${'a'.repeat(65_536)}`), refused(...LENGTH)),
  row('target-query-9k', 'over 8 KiB of URL, in the query', get('', `/open/a?q=${'a'.repeat(9_000)}`), refused(...LENGTH)),
  row('target-nul', 'NUL in the target', get('', '/open/a\0b'), refused()),
  row('target-del', 'DEL in the target', get('', '/open/a\x7fb'), refused()),
  row('target-control', 'a control byte in the target', get('', '/open/a\x01b'), refused()),
  row('target-raw-utf8', 'raw bytes beyond ASCII', get('', '/open/\xc3\xa9'), refused()),
  row('target-backslash', 'some servers read a backslash as a slash', get('', '/open\\..\\api/a'), refused()),
  row('target-backslash-query', 'a backslash in the query', get('', '/open/a?b=\\'), refused()),
  row('target-fragment', 'a fragment never goes over the wire', get('', '/open/a#b'), refused()),
  row('target-fragment-query', 'a fragment after the query', get('', '/open/a?b=c#d'), refused()),
  row('target-star-get', 'the star is for OPTIONS', get('', '*'), refused(400, 404)),
  row('target-star-options', 'the star names no route', line('OPTIONS * HTTP/1.1'), refused(400, 404, 405, 501)),
  row('target-no-slash', 'a target that does not begin with a slash', get('', 'open/a'), refused()),
  row('target-only-query', 'a target that is only a query', get('', '?a=b'), refused()),
  row('target-authority', 'authority form is for CONNECT', get('', 'shop.example:80'), refused()),
  row('target-network-path', 'a URL library reads //evil.example as a host', get('', '//evil.example/open/a'), refused(400, 404)),
  row('target-absolute-other-host', 'the target names another host than Host', get('', 'http://evil.example/open/a'), refused(400, 421)),
  row('target-absolute-other-port', 'the target names another port than Host', get('', 'http://shop.example:81/open/a'), refused(400, 421)),
  row('target-absolute-userinfo', 'user info in the target', get('', 'http://shop.example@evil.example/open/a'), refused(400, 421)),
  row('target-absolute-userinfo-same', 'user info before the same host', get('', 'http://user:pass@shop.example/open/a'), refused(400, 421)),
  row('target-absolute-empty-host', 'no host in the absolute form', get('', 'http:///open/a'), refused()),
  row('target-absolute-one-slash', 'half an absolute form', get('', 'http:/open/a'), refused()),
  row('target-absolute-ftp', 'another scheme', get('', 'ftp://shop.example/open/a'), refused()),
  row('target-absolute-file', 'another scheme', get('', 'file:///etc/passwd'), refused()),
  row(
    'target-absolute-same',
    'absolute form with the same host: origin form upstream',
    get('', 'http://shop.example/open/a'),
    refusedOrClean({ target: '/open/a' })
  ),
  row('target-absolute-no-path', 'absolute form without a path', get('', 'http://shop.example'), declined(400, 404)),
  row('target-absolute-internal', 'an address of the inner network', get('', 'http://127.0.0.1:22/open/a'), refused(400, 421))
]

const noHttp: readonly CorpusRow[] = [
  row('bytes-tls', 'a TLS ClientHello on the plain port', Buffer.from('160301003a0100003603030000', 'hex'), refusedOrClosed(), CUT_OFF),
  row('bytes-socks', 'a SOCKS5 greeting', Buffer.from('050100', 'hex'), refusedOrClosed(), CUT_OFF),
  row('bytes-proxy-protocol', 'a PROXY header that nobody asked for', `PROXY TCP4 1.2.3.4 5.6.7.8 1 80\r\n${get()}`, refusedOrClosed(...METHOD)),
  row('bytes-nul', '64 NUL bytes', Buffer.alloc(64), refusedOrClosed(), CUT_OFF),
  row('bytes-redis', 'an inline Redis command', 'SET a b\r\n\r\n', refusedOrClosed(...METHOD)),
  row('bytes-answer', 'an answer in place of a request', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', refusedOrClosed(...METHOD)),
  row('bytes-junk-after', 'a good request, then junk', `${get()}\x00\x01\x02`, firstThenRefused({})),
  row(
    'bytes-good',
    'the control row of this file: nothing odd',
    get(),
    clean({ method: 'GET', target: '/open/a', headers: { host: 'shop.example' } })
  )
]

export const hostileRequestLine: readonly CorpusRow[] = [...versions, ...methods, ...spacing, ...targets, ...noHttp]

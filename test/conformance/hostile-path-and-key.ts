import { crc32 } from 'node:zlib'
import { type CorpusRow, clean, declined, get, HOST, post, refusedOrClean, row, type Seen } from './corpus.ts'

/** 404 and 503 can also say "this path is nobody's"; what must not happen is that the path means one thing to us and another one behind us. */
const PATH = [400, 404] as const

const path = (id: string, why: string, target: string): CorpusRow => row(`path-${id}`, why, get('X-User-Id: 42\r\n', target), declined(...PATH))
const opaque = (id: string, why: string, target: string): CorpusRow =>
  row(`path-${id}`, why, get('X-User-Id: 42\r\n', target), refusedOrClean({ target }, PATH))

const paths: readonly CorpusRow[] = [
  path('dots', 'leaves the route', '/open/../api/a'),
  path('dots-root', 'leaves the root', '/../../etc/passwd'),
  path('dots-end', 'ends in dots', '/open/a/..'),
  path('dot', 'a single dot', '/open/./a'),
  path('dots-encoded', 'encoded dots', '/open/%2e%2e/api/a'),
  path('dots-encoded-upper', 'encoded dots in capitals', '/open/%2E%2E/api/a'),
  path('dots-half-encoded', 'one dot encoded', '/open/.%2e/api/a'),
  path('dots-half-encoded-first', 'the other dot encoded', '/open/%2e./api/a'),
  path('dot-encoded', 'a single encoded dot', '/open/%2e/a'),
  path('slash-encoded', 'an encoded slash', '/open%2fa'),
  path('slash-encoded-upper', 'an encoded slash in capitals', '/open%2Fa'),
  path('dots-slash-encoded', 'all of it encoded', '/open/%2e%2e%2fapi%2fa'),
  path('backslash-encoded', 'an encoded backslash', '/open/%5c..%5capi/a'),
  path('backslash-encoded-upper', 'an encoded backslash in capitals', '/open%5Ca'),
  path('nul-encoded', 'an encoded NUL', '/open/a%00b'),
  path('nul-encoded-end', 'an encoded NUL before a suffix', '/open/a%00.png'),
  path('overlong-2', 'an overlong slash of two bytes', '/open%c0%afa'),
  path('overlong-3', 'an overlong slash of three bytes', '/open%e0%80%afa'),
  path('overlong-dot', 'an overlong dot', '/open/%c0%ae%c0%ae/api/a'),
  path('percent-cut', 'a percent sign at the end', '/open/a%'),
  path('percent-one-digit', 'one hexadecimal digit', '/open/a%2'),
  path('percent-no-hex', 'no hexadecimal digits', '/open/%zz'),
  path('percent-u', 'the form of old browsers', '/open/%u002e%u002e/a'),
  path('utf8-cut', 'a cut UTF-8 sequence', '/open/%c3'),
  path('utf8-surrogate', 'a surrogate in UTF-8', '/open/%ed%a0%80'),
  opaque('crlf-encoded', 'encoded CR LF stay encoded', '/open/a%0d%0aX-A:%20b'),
  opaque('twice-encoded', 'encoded twice: opaque to us, so unchanged', '/open/%252e%252e/api/a'),
  opaque('dots-parameter', 'Tomcat strips the parameter and climbs', '/open/..;/api/a'),
  opaque('parameter', 'a path parameter', '/open/a;b=c/d'),
  opaque('double-slash', 'an empty segment', '/open//a'),
  opaque('double-slash-first', 'an empty first segment', '//open/a'),
  opaque('case', 'paths are case-sensitive', '/OPEN/a'),
  opaque('three-dots', 'three dots are a name', '/open/.../a'),
  opaque('encoded-letter', 'an encoded letter of the route', '/o%70en/a'),
  opaque('end-slash', 'a slash at the end', '/open/a/')
]

/** What the upstream must see when the key is accepted: the canonical key and its bucket of 1,024. */
function keyed(key: string): Seen {
  const escaped = encodeURIComponent(key).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
  return { headers: { 'x-cellway-space': 'users', 'x-cellway-key': escaped, 'x-cellway-bucket': String(crc32(key) % 1024) } }
}

const header = (id: string, why: string, value: string | Buffer): CorpusRow =>
  row(
    `key-${id}`,
    why,
    Buffer.concat([Buffer.from(`GET /api/a HTTP/1.1\r\n${HOST}X-User-Id: `), Buffer.from(value), Buffer.from('\r\n\r\n')]),
    declined()
  )
const headerOr = (id: string, why: string, value: string, key = value): CorpusRow => ({
  ...header(id, why, value),
  expect: refusedOrClean(keyed(key))
})
const headerPasses = (id: string, why: string, value: string, key = value): CorpusRow => ({ ...header(id, why, value), expect: clean(keyed(key)) })

const keys: readonly CorpusRow[] = [
  row('key-missing', 'no key under missing: reject', get('', '/api/a'), declined()),
  header('empty', 'an empty key', ''),
  header('blank', 'a key of blanks', '   '),
  header('leading-zeros', 'a second spelling of 7', '007'),
  header('plus', 'a second spelling of 7', '+7'),
  header('exponent', 'a second spelling of 1000', '1e3'),
  header('fraction', 'a second spelling of 7', '7.0'),
  headerOr('minus', 'a negative number', '-7'),
  headerOr('hex', 'looks like a number in some languages', '0x10'),
  headerOr('group', 'looks like a number in some languages', '1_000'),
  headerPasses('two-53-plus-1', 'beyond the doubles: must not become ...992', '9007199254740993'),
  headerPasses('two-63', 'beyond signed 64 bits', '9223372036854775808'),
  headerOr('two-64', 'beyond 64 bits', '18446744073709551616'),
  header('nfd', 'a decomposed letter: two byte forms of one name', 'e\u0301'),
  headerOr('nfc', 'a composed letter, raw UTF-8 in a header', '\u00e9'),
  header('utf8-broken', 'bytes that are no UTF-8', Buffer.from([0x61, 0xff, 0xfe])),
  headerOr('emoji', 'a letter beyond 16 bits', '\u{1f600}'),
  headerOr('inner-blank', 'a blank inside', 'a b'),
  headerOr('comma', 'a list in one header, or a key with a comma', '42, 43'),
  headerOr('long', 'a key of 4 KiB', 'k'.repeat(4_096)),
  headerOr('percent', 'percent signs stay percent signs', '4%32'),
  headerPasses('case', 'no folding of case', 'Alice'),
  row('key-padded', 'blanks around a header value do not count', get('X-User-Id: \t 42 \t \r\n', '/api/a'), clean(keyed('42'))),
  row('key-twice', 'two headers with the key', get('X-User-Id: 42\r\nX-User-Id: 43\r\n', '/api/a'), declined()),
  row('key-twice-same', 'two equal headers with the key', get('X-User-Id: 42\r\nx-user-id: 42\r\n', '/api/a'), declined()),
  row('key-twice-empty', 'an empty one and a full one', get('X-User-Id:\r\nX-User-Id: 42\r\n', '/api/a'), declined()),
  row('key-alias', 'an underscored alias beside the key', get('X-User-Id: 42\r\nX_User_Id: 43\r\n', '/api/a'), refusedOrClean(keyed('42'))),
  row('key-alias-only', 'only the underscored alias: no key, or this key', get('X_User_Id: 42\r\n', '/api/a'), refusedOrClean(keyed('42')))
]

const elsewhere: readonly CorpusRow[] = [
  row('query-key', 'the key in the query', get('', '/api/query/a?user_id=42'), clean(keyed('42'))),
  row('query-twice', 'two different keys in the query', get('', '/api/query/a?user_id=42&user_id=43'), declined()),
  row('query-twice-same', 'two equal keys in the query', get('', '/api/query/a?user_id=42&user_id=42'), declined()),
  row('query-twice-encoded', 'the second name encoded', get('', '/api/query/a?user_id=42&user%5fid=43'), declined()),
  row('query-name-encoded', 'only an encoded name: one spelling or refused', get('', '/api/query/a?user%5Fid=42'), refusedOrClean(keyed('42'))),
  row('query-value-encoded', 'an encoded digit', get('', '/api/query/a?user_id=4%32'), refusedOrClean(keyed('42'))),
  row('query-empty', 'an empty key in the query', get('', '/api/query/a?user_id='), declined()),
  row('query-bare', 'a name without value', get('', '/api/query/a?user_id'), declined()),
  row('query-case', 'another spelling of the name', get('', '/api/query/a?USER_ID=42'), declined()),
  row('query-array', 'the array form of some frameworks', get('', '/api/query/a?user_id[]=42'), declined()),
  row('query-and-array', 'the key and its array form', get('', '/api/query/a?user_id=42&user_id[]=43'), refusedOrClean(keyed('42'))),
  row('query-semicolon', 'a semicolon is no separator', get('', '/api/query/a?user_id=42;user_id=43'), refusedOrClean(keyed('42;user_id=43'))),
  row('query-leading-zeros', 'a second spelling of 7', get('', '/api/query/a?user_id=007'), declined()),
  row('query-percent-cut', 'a cut escape in the key', get('', '/api/query/a?user_id=4%'), declined()),
  row('query-utf8-broken', 'a key that is no UTF-8', get('', '/api/query/a?user_id=%ff'), declined()),
  row('query-second-mark', 'a second question mark', get('', '/api/query/a?a=b?user_id=42'), declined()),
  row('cookie-twice', 'two cookies with the key', get('Cookie: uid=42; uid=43\r\n', '/api/cookie/a'), declined()),
  row('cookie-twice-headers', 'the key in two Cookie headers', get('Cookie: uid=42\r\nCookie: uid=43\r\n', '/api/cookie/a'), declined()),
  row('cookie-empty', 'an empty cookie', get('Cookie: uid=\r\n', '/api/cookie/a'), declined()),
  row('cookie-prefix', 'a cookie whose name ends like the key', get('Cookie: xuid=42\r\n', '/api/cookie/a'), declined()),
  row('path-key-encoded', 'an encoded digit in the path', get('', '/api/users/4%32/a'), refusedOrClean(keyed('42'))),
  row('path-key-slash', 'an encoded slash in the key', get('', '/api/users/4%2f2/a'), declined(...PATH)),
  row('path-key-empty', 'an empty segment where the key should be', get('', '/api/users//a'), declined(...PATH)),
  row('path-key-nfd', 'a decomposed letter in the path', get('', '/api/users/e%cc%81/a'), declined()),
  row('path-key-zeros', 'a second spelling of 7 in the path', get('', '/api/users/007/a'), declined()),
  row('no-route', 'a path that no route matches', get('', '/nowhere'), declined(404))
]

const ws = (
  id: string,
  why: string,
  lines: string,
  options: { readonly method?: string; readonly version?: string; readonly target?: string } = {}
): CorpusRow =>
  row(
    `upgrade-${id}`,
    why,
    `${options.method ?? 'GET'} ${options.target ?? '/ws/plain'} HTTP/${options.version ?? '1.1'}\r\n${HOST}${lines}\r\n`,
    refusedOrClean(options.target === undefined ? {} : { headers: { upgrade: undefined } }, [400, 403, 404, 405, 426, 501, 502])
  )
const SOCKET = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

/** The upstream answers these with 200, so none of them may become a tunnel. */
const upgrades: readonly CorpusRow[] = [
  ws('elsewhere', 'a route without websocket: no Upgrade upstream', SOCKET, { target: '/open/a' }),
  ws('h2c', 'HTTP/2 in the clear, past our checks', 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n', {
    target: '/open/a'
  }),
  ws('h2c-ws-route', 'h2c on the websocket route', 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n'),
  ws('list', 'a list of protocols', SOCKET.replace('websocket', 'websocket, h2c')),
  ws('post', 'not GET', `${SOCKET}Content-Length: 0\r\n`, { method: 'POST' }),
  ws('1.0', 'HTTP/1.0', SOCKET, { version: '1.0' }),
  ws('no-connection', 'Connection does not name Upgrade', SOCKET.replace('Connection: Upgrade\r\n', ''), { target: '/ws/plain' }),
  ws('no-key', 'no Sec-WebSocket-Key', SOCKET.replace(/Sec-WebSocket-Key.*\r\n/, '')),
  ws('bad-key', 'a key of the wrong length', SOCKET.replace('dGhlIHNhbXBsZSBub25jZQ==', 'abc')),
  ws('two-keys', 'two keys', `${SOCKET}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n`),
  ws('version-12', 'an old version', SOCKET.replace('13', '12')),
  ws('two-upgrades', 'two Upgrade headers', `${SOCKET}Upgrade: h2c\r\n`),
  ws('tls', 'TLS inside of HTTP', 'Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n'),
  row(
    'upgrade-body',
    'a body before the protocol changes',
    `GET /ws/plain HTTP/1.1\r\n${HOST}${SOCKET}Content-Length: 3\r\n\r\nabc`,
    refusedOrClean({}, [400, 501])
  ),
  row(
    'upgrade-post-body',
    'an upgrade with a body',
    post(`${SOCKET}Content-Length: 3\r\n`, 'abc', '/ws/plain'),
    refusedOrClean({}, [400, 405, 426, 501])
  )
]

export const hostilePathAndKey: readonly CorpusRow[] = [...paths, ...keys, ...elsewhere, ...upgrades]

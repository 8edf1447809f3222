import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import t from 'tap'
import { type RawHead, validateHead } from './head.ts'
import { parseTarget } from './target.ts'

const LIMITS = { headersMax: 100, headerBytesMax: 16_384, urlBytesMax: 8192 }

function head(change: Partial<RawHead> & { readonly more?: readonly string[] } = {}): RawHead {
  const { more = [], ...rest } = change
  return { method: 'GET', target: '/a', version: '1.1', wire: 'h1', rawHeaders: ['Host', 'shop.example:8080', ...more], ...rest }
}

function codeOf(raw: RawHead): string {
  try {
    validateHead(raw, LIMITS)
    return 'passed'
  } catch (error) {
    return isCellwayError(error) ? error.code : String(error)
  }
}

t.test('a plain request keeps its headers in order, without framing and hop-by-hop ones', async (t) => {
  const valid = validateHead(
    head({ method: 'POST', target: '/a/b?c=d', more: ['X-B', '1', 'Connection', 'keep-alive, x-c', 'x-c', '2', 'Content-Length', '5', 'X-A', '3'] }),
    LIMITS
  )
  t.same(valid.headers, ['X-B', '1', 'X-A', '3'])
  t.match(valid, { path: '/a/b', query: 'c=d', host: 'shop.example', authority: 'shop.example:8080', bodyKind: 'length', bodyBytes: 5 })
})

t.test('what has two readings is refused', async (t) => {
  const rows: readonly [name: string, raw: RawHead, code: string][] = [
    ['two hosts', head({ more: ['host', 'shop.example:8080'] }), 'GW_BAD_REQUEST'],
    ['no host', head({ rawHeaders: [] }), 'GW_BAD_REQUEST'],
    ['empty host', head({ rawHeaders: ['Host', ''] }), 'GW_BAD_REQUEST'],
    ['host with user info', head({ rawHeaders: ['Host', 'a@b'] }), 'GW_BAD_REQUEST'],
    ['host with a comma', head({ rawHeaders: ['Host', 'a,b'] }), 'GW_BAD_REQUEST'],
    ['host with a port beyond the last', head({ rawHeaders: ['Host', 'a:65536'] }), 'GW_BAD_REQUEST'],
    ['host with a path', head({ rawHeaders: ['Host', 'a/b'] }), 'GW_BAD_REQUEST'],
    ['HTTP/0.9', head({ version: '0.9' }), 'GW_VERSION_REFUSED'],
    ['HTTP/2.0 on the HTTP/1 wire', head({ version: '2.0' }), 'GW_VERSION_REFUSED'],
    ['TRACE', head({ method: 'TRACE' }), 'GW_METHOD_REFUSED'],
    ['absolute form, other host', head({ target: 'http://evil.example/a' }), 'GW_BAD_REQUEST'],
    ['absolute form, same host', head({ target: 'http://shop.example:8080/a' }), 'passed'],
    ['asterisk', head({ target: '*' }), 'GW_BAD_REQUEST'],
    ['fragment', head({ target: '/a#b' }), 'GW_BAD_REQUEST'],
    ['backslash', head({ target: '/a\\b' }), 'GW_BAD_REQUEST'],
    ['dot segment', head({ target: '/a/../b' }), 'GW_BAD_REQUEST'],
    ['encoded dot segment', head({ target: '/a/%2e%2E/b' }), 'GW_BAD_REQUEST'],
    ['half encoded dot segment', head({ target: '/a/.%2e/b' }), 'GW_BAD_REQUEST'],
    ['dot segment with parameter', head({ target: '/a/..;x/b' }), 'GW_BAD_REQUEST'],
    ['encoded slash', head({ target: '/a%2Fb' }), 'GW_BAD_REQUEST'],
    ['encoded NUL', head({ target: '/a%00' }), 'GW_BAD_REQUEST'],
    ['overlong UTF-8', head({ target: '/a%c0%af' }), 'GW_BAD_REQUEST'],
    ['empty segment', head({ target: '/a//b' }), 'GW_BAD_REQUEST'],
    ['dots inside a name', head({ target: '/a/..b/c.d/.well-known' }), 'passed'],
    ['target too long', head({ target: `/${'a'.repeat(8192)}` }), 'GW_URL_TOO_LONG'],
    ['length with leading zero', head({ method: 'POST', more: ['Content-Length', '001'] }), 'GW_BAD_REQUEST'],
    ['length with plus', head({ method: 'POST', more: ['Content-Length', '+1'] }), 'GW_BAD_REQUEST'],
    ['length list', head({ method: 'POST', more: ['Content-Length', '1, 1'] }), 'GW_BAD_REQUEST'],
    ['two lengths', head({ method: 'POST', more: ['Content-Length', '1', 'content-length', '1'] }), 'GW_BAD_REQUEST'],
    ['length and coding', head({ method: 'POST', more: ['Content-Length', '1', 'Transfer-Encoding', 'chunked'] }), 'GW_BAD_REQUEST'],
    ['coding with comma', head({ method: 'POST', more: ['Transfer-Encoding', ',chunked'] }), 'GW_BAD_REQUEST'],
    ['coding on 1.0', head({ method: 'POST', version: '1.0', more: ['Transfer-Encoding', 'chunked'] }), 'GW_BAD_REQUEST'],
    ['empty coding', head({ method: 'POST', more: ['Transfer-Encoding', ''] }), 'GW_BAD_REQUEST'],
    ['underscored coding', head({ method: 'POST', more: ['Transfer_Encoding', 'chunked'] }), 'GW_HEADER_FORBIDDEN'],
    ['underscored host', head({ more: ['X_Forwarded_For', '1.2.3.4'] }), 'GW_HEADER_FORBIDDEN'],
    ['body on GET', head({ more: ['Content-Length', '1'] }), 'GW_BAD_REQUEST'],
    ['zero length on GET', head({ more: ['Content-Length', '0'] }), 'passed'],
    ['odd expectation', head({ more: ['Expect', 'y 100-continue'] }), 'GW_EXPECTATION_FAILED'],
    ['connection names host', head({ more: ['Connection', 'close, host'] }), 'GW_HEADER_FORBIDDEN'],
    ['connection names ours', head({ more: ['Connection', 'X-Cellway-Cell'] }), 'GW_HEADER_FORBIDDEN'],
    ['connection names ours by underscores', head({ more: ['Connection', 'x_cellway_cell'] }), 'GW_HEADER_FORBIDDEN'],
    ['connection names the cookie', head({ more: ['Connection', 'cookie'] }), 'GW_HEADER_FORBIDDEN'],
    ['101 headers', head({ rawHeaders: ['Host', 'a', ...Array.from({ length: 100 }, (_, at) => [`x-${at}`, '1']).flat()] }), 'GW_HEADERS_TOO_LARGE']
  ]
  for (const [name, raw, code] of rows) t.equal(codeOf(raw), code, name)
})

t.test('internal headers never pass, in whatever spelling; two of one kind are marked', async (t) => {
  const valid = validateHead(
    head({ more: ['X-Cellway-Cell', 'a', 'x_cellway_epoch', '9', 'X.Cellway.Sig', 's', 'x-cellway-cell', 'b', 'x-fine', '1'] }),
    LIMITS
  )
  t.same(valid.headers, ['x-fine', '1'])
  t.same(
    [...(valid.internal ?? [])],
    [
      ['x-cellway-cell', null],
      ['x-cellway-epoch', '9'],
      ['x-cellway-sig', 's']
    ]
  )
})

t.test('h2: pseudo headers are not forwarded, connection headers are refused, host must agree', async (t) => {
  const pseudo = [':method', 'POST', ':path', '/a', ':scheme', 'https', ':authority', 'a.example']
  const h2 = (more: readonly string[], bodyFollows = false): RawHead => ({
    method: 'POST',
    target: '/a',
    version: '2.0',
    wire: 'h2',
    rawHeaders: [...pseudo, ...more],
    bodyFollows
  })
  const valid = validateHead(h2(['x-a', '1', 'te', 'trailers'], true), LIMITS)
  t.same(valid.headers, ['x-a', '1'])
  t.equal(valid.bodyKind, 'chunked', 'a body without a length')
  t.same(validateHead(h2(['cookie', 'a=1', 'x-b', '2', 'cookie', 'c=3']), LIMITS).headers, ['cookie', 'a=1; c=3', 'x-b', '2'])
  t.equal(codeOf(h2(['x-a', 'a'.repeat(16_384)])), 'GW_HEADERS_TOO_LARGE')
  t.equal(codeOf(h2(['connection', 'close'])), 'GW_HEADER_FORBIDDEN')
  t.equal(codeOf(h2(['transfer-encoding', 'chunked'])), 'GW_HEADER_FORBIDDEN')
  t.equal(codeOf(h2(['host', 'b.example'])), 'GW_BAD_REQUEST')
  t.equal(codeOf(h2(['host', 'A.example'])), 'passed')
})

t.test('upgrade counts only when Connection names it', async (t) => {
  t.equal(validateHead(head({ more: ['Upgrade', 'WebSocket', 'Connection', 'Upgrade'] }), LIMITS).upgrade, 'websocket')
  t.equal(validateHead(head({ more: ['Upgrade', 'websocket'] }), LIMITS).upgrade, undefined)
})

t.test('a wish for events is noted, in whichever of several Accept headers', async (t) => {
  const rows: readonly [name: string, more: readonly string[], want: boolean][] = [
    ['no accept', [], false],
    ['other types', ['Accept', 'text/html, */*'], false],
    ['alone', ['accept', 'text/event-stream'], true],
    ['in a list', ['ACCEPT', 'text/html, text/event-stream;q=0.5'], true],
    ['in the second', ['Accept', 'text/html', 'Accept', 'text/event-stream'], true],
    ['in another header', ['X-Accept', 'text/event-stream'], false]
  ]
  for (const [name, more, want] of rows) t.equal(validateHead(head({ more }), LIMITS).wantsEvents, want, name)
})

/** The rules of a target as one reads them in the standard, slowly: what may stand in it, and which paths have two readings. */
function isGoodTarget(target: string): boolean {
  if (!/^\/[!-~]*$/.test(target) || /[#\\]/.test(target)) return false
  const path = target.split('?')[0] ?? ''
  const segments = path.split('/').slice(1)
  if (segments.slice(0, -1).includes('') || (segments.length > 1 && path.includes('//'))) return false
  for (const segment of segments) {
    const [name = '', ...parameters] = segment.split(';')
    if (name === '.' || name === '..') return false
    // An encoded dot at the end has no honest reason, whatever stands before it.
    if ([name, ...parameters].some((part) => /%2e\.?$/i.test(part))) return false
  }
  if (/%(?:2f|5c|00)/i.test(path) || /%25(?:2f|5c|2e|00)/i.test(path)) return false
  try {
    return decodeURIComponent(path) !== ''
  } catch {
    return false
  }
}

t.test('a target passes if it can be read in one way only', async () => {
  const parts = ['/', 'a', '.', '..', '%2e', '%2E', '%2f', '%5C', '%00', '%25', '2e', '%c0%af', '%e7%94%a8', '%', '?', '#', '\\', ';', ' ', 'é', '"']
  const target = fc.array(fc.constantFrom(...parts), { maxLength: 8 }).map((chosen) => `/${chosen.join('')}`)
  fc.assert(
    fc.property(target, (text) => {
      const passed = codeOf(head({ target: text })) === 'passed'
      if (passed) {
        const { path, query } = parseTarget(text, '', 8192)
        if (text !== (text.includes('?') ? `${path}?${query}` : path) || path.includes('?')) return false
      }
      return passed === isGoodTarget(text)
    }),
    { numRuns: 2_000 }
  )
})

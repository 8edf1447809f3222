import fc from 'fast-check'
import t from 'tap'
import type { RouteConfig } from './config.ts'
import { hostCovers, type PathPattern, parsePathPattern, patternCovers } from './path-pattern.ts'
import { buildRouteIndex, findRoute, type IndexedRoute, segmentOf } from './route-index.ts'

function patternOf(text: string): PathPattern {
  const pattern = parsePathPattern(text)
  if (typeof pattern === 'string') throw new Error(`${text} ${pattern}`)
  return pattern
}

function routeOf(path: string, host?: string): IndexedRoute {
  return { config: { match: host === undefined ? { path } : { host, path } } as RouteConfig, pattern: patternOf(path) }
}

/** Route by route, segment by segment; written from the description, not from the code. */
function slowMatch(routes: readonly IndexedRoute[], host: string, path: string): number {
  const parts = path.slice(1).split('/').map(decodeURIComponent)
  return routes.findIndex(({ config, pattern }) => {
    const wanted = config.match.host
    const hostFits =
      wanted === undefined || (wanted.startsWith('*.') ? host.length > wanted.length - 1 && host.endsWith(wanted.slice(1)) : host === wanted)
    const long = pattern.tail ? parts.length >= pattern.segments.length : parts.length === pattern.segments.length
    // `/api/**` also matches `/api`, and `/**` the root.
    return (
      hostFits &&
      long &&
      pattern.segments.every((segment, index) => (segment.kind === 'literal' ? parts[index] === segment.text : parts[index] !== ''))
    )
  })
}

const segment = fc.constantFrom('a', 'b', 'api', '*', ':id', '商店')
const patternText = fc
  .record({ parts: fc.array(segment, { maxLength: 3 }), end: fc.constantFrom('', '/**', '/') })
  .map(
    ({ parts, end }) =>
      `/${parts.map((part, index) => (part === ':id' ? `:id${index}` : part)).join('/')}${parts.length === 0 && end !== '' ? end.slice(1) : end}`
  )
const hostText = fc.constantFrom(undefined, 'a.com', 'b.a.com', '*.a.com', '*.b.a.com', '*.com')
const pathText = fc
  .array(fc.constantFrom('a', 'b', 'api', 'x', '', '%61', '%E5%95%86%E5%BA%97'), { maxLength: 4 })
  .map((parts) => `/${parts.join('/')}`)
const requestHost = fc.constantFrom('a.com', 'b.a.com', 'c.b.a.com', 'x.a.com', 'com', 'other.org', 'xa.com', '.a.com')

t.test('the index finds the first route that matches, as the slow twin does', async () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(patternText, hostText), { minLength: 1, maxLength: 12 }), requestHost, pathText, (given, host, path) => {
      const routes = given.map(([text, wanted]) => routeOf(text, wanted))
      return findRoute(buildRouteIndex(routes), host, path) === slowMatch(routes, host, path)
    }),
    { numRuns: 5000 }
  )
})

t.test('what a pattern covers, it matches', async () => {
  fc.assert(
    fc.property(
      patternText,
      patternText,
      hostText,
      hostText,
      requestHost,
      pathText,
      (...[wideText, narrowText, wideHost, narrowHost, host, path]) => {
        const [wide, narrow] = [routeOf(wideText, wideHost), routeOf(narrowText, narrowHost)]
        const covers = hostCovers(wideHost, narrowHost) && patternCovers(wide.pattern, narrow.pattern)
        return !covers || slowMatch([narrow], host, path) === -1 || slowMatch([wide], host, path) === 0
      }
    ),
    { numRuns: 5000 }
  )
})

t.test('named segments', async (t) => {
  t.equal(segmentOf(patternOf('/api/users/:id/**'), 2, '/api/users/42'), '42')
  t.equal(segmentOf(patternOf('/api/users/:id/**'), 2, '/api/users/42/x/y'), '42')
  t.equal(segmentOf(patternOf('/api/users/:id/**'), 2, '/%61pi/users/4%32'), '4%32', 'literals are compared decoded, the key comes raw')
  t.equal(segmentOf(patternOf('/api/users/:id'), 2, '/api/users/42/x'), undefined)
  t.equal(segmentOf(patternOf('/api/users/:id/**'), 2, '/api/users/'), undefined)
  t.equal(segmentOf(patternOf('/api/users/:id/**'), 2, '/api/users'), undefined)
  t.equal(segmentOf(patternOf('/api/users/:id/**'), 2, '/api/shops/42'), undefined)
})

t.test('patterns that are none say why', async (t) => {
  for (const [text, why] of Object.entries({
    'a/b': /start/,
    '/a//b': /empty/,
    '/a/../b': /"\.\."/,
    '/**/a': /middle/,
    '/a*': /inside/,
    '/:1': /not a name/,
    '/:a/:a': /same name/,
    '/a?b': /"\?"/,
    '/a b': /white space/,
    [`/${'a/'.repeat(40)}`]: /more than 32/
  })) {
    t.match(parsePathPattern(text), why, text)
  }
})

import { systemClock } from '@cellway/base'
import { createLogger } from '@cellway/telemetry'
import fc from 'fast-check'
import t from 'tap'
import { AccessLog, hundredths, jsonText, type Logged } from './access-log.ts'
import { badRequest, noUpstream } from './errors.ts'
import { validateHead } from './http/head.ts'

const CONFIG = { accessLog: 'all', cell: 'beijing', member: 'beijing-gw-1' } as const
const AT_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 6)
const clock = { ...systemClock, nowMs: () => AT_MS }

const PLAIN: Logged = {
  requestId: 'beijing-gw-1-a-b',
  request: { method: 'GET' },
  head: validateHead(
    { method: 'GET', target: '/a"b?secret=1', version: '1.1', wire: 'h1', rawHeaders: ['Host', 'shop.example', 'Authorization', 'secret'] },
    { headersMax: 100, headerBytesMax: 16_384, urlBytesMax: 8192 }
  ),
  hop: undefined,
  classification: { kind: 'bucket', space: 'users' } as Logged['classification'],
  bucket: 'pin:vip 用"',
  servedBy: 'beijing',
  statusCode: 200,
  attempts: 1,
  heldMs: 0,
  error: undefined
}

function linesOf(config: Partial<{ accessLog: 'all' | 'errors' | 'off'; info: boolean }>, exchange: Logged): string[] {
  const lines: string[] = []
  const { info = true, ...change } = config
  const log = new AccessLog({ config: { ...CONFIG, ...change }, clock, levels: { info, warn: true }, write: (line) => lines.push(line) })
  log.record(exchange, 'route "1"', 'local', 12.3456)
  return lines
}

/** The same facts through the logger that writes all other lines. */
function byLogger(level: 'info' | 'warn', fields: object): Record<string, unknown> {
  const lines: string[] = []
  const log = createLogger({
    service: 'gateway',
    fields: { cell: CONFIG.cell, member: CONFIG.member },
    stream: { write: (line: string) => void lines.push(line) }
  })
  log[level](fields, 'request')
  return { ...JSON.parse(lines[0] ?? ''), time: new Date(AT_MS).toISOString() }
}

t.test('a line is what the logger would have written', async (t) => {
  const common = { requestId: 'beijing-gw-1-a-b', method: 'GET', path: '/a"b', route: 'route "1"', bucket: 'users/pin:vip 用"', verdict: 'local' }
  const hop = { from: 'shanghai', space: 'users', bucket: '1', epoch: 1, key: 'k' }
  const failed = noUpstream({ cell: 'beijing', app: 'default', reason: 'all "down"\n' })
  const refused = badRequest({ rule: 'Host is missing' })
  const rows: readonly [name: string, change: Partial<Logged>, level: 'info' | 'warn', want: object][] = [
    ['plain', {}, 'info', { ...common, servedBy: 'beijing', status: 200, ms: 12.35 }],
    [
      'everything else',
      { hop, attempts: 2, heldMs: 7.6, error: failed, statusCode: failed.statusCode },
      'warn',
      {
        ...common,
        servedBy: 'beijing',
        status: failed.statusCode,
        ms: 12.35,
        hopFrom: 'shanghai',
        attempts: 2,
        heldMs: 8,
        code: failed.code,
        details: failed.details
      }
    ],
    [
      'refused before there is a head',
      {
        head: undefined,
        classification: undefined,
        bucket: undefined,
        servedBy: undefined,
        error: refused,
        statusCode: 400,
        request: { method: 'A"B' }
      },
      'info',
      {
        requestId: 'beijing-gw-1-a-b',
        method: 'A"B',
        path: undefined,
        route: 'route "1"',
        bucket: undefined,
        verdict: 'local',
        servedBy: undefined,
        status: 400,
        ms: 12.35,
        code: refused.code,
        details: refused.details
      }
    ],
    [
      'nothing of a request',
      { head: undefined, classification: undefined, servedBy: undefined, statusCode: 0, request: {} },
      'info',
      { requestId: 'beijing-gw-1-a-b', route: 'route "1"', verdict: 'local', status: 0, ms: 12.35 }
    ]
  ]
  for (const [name, change, level, want] of rows) {
    const [line = '', ...more] = linesOf({}, { ...PLAIN, ...change })
    t.same(more, [], name)
    t.match(line, /^\{[^\n]*\}\n$/, name)
    const expected = byLogger(level, want)
    t.strictSame(JSON.parse(line), expected, name)
    t.same(Object.keys(JSON.parse(line)), Object.keys(expected), `${name}: the same order`)
  }
})

t.test('what is not wanted is not written', async (t) => {
  const error = badRequest({ rule: 'r' })
  t.equal(linesOf({ accessLog: 'off' }, { ...PLAIN, error }).length, 0)
  t.equal(linesOf({ accessLog: 'errors' }, PLAIN).length, 0)
  t.equal(linesOf({ accessLog: 'errors' }, { ...PLAIN, error }).length, 1)
  t.equal(linesOf({ info: false }, PLAIN).length, 0)
  t.equal(linesOf({ info: false }, { ...PLAIN, error: noUpstream({ cell: 'a', app: 'b', reason: 'c' }) }).length, 1)
})

t.test('any text is escaped as JSON asks for', async () => {
  const special = fc.constantFrom('"', '\\', '\n', '\u0000', '\u001f', '\u007f', '\u2028', '\ud800', '\udc00', 'ÿ', '用')
  fc.assert(
    fc.property(
      fc.array(fc.oneof(special, fc.string({ unit: 'binary-ascii' }))),
      (parts) => jsonText(parts.join('')) === JSON.stringify(parts.join(''))
    )
  )
})

t.test('hundredths are printed as String prints them', async () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (value) => hundredths(value) === String(Math.round(value * 100) / 100)))
  fc.assert(fc.property(fc.integer({ min: 0, max: 20_000 }), (value) => hundredths(value / 100) === String(value / 100)))
})

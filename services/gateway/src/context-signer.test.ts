import { type RequestContext, verifyContext } from '@cellway/topology'
import fc from 'fast-check'
import t from 'tap'
import { ContextSigner } from './context-signer.ts'

const signingKey = Buffer.from('0123456789abcdef0123456789abcdef')
const NOW_MS = 1_800_000_000_000

const context = fc.record({
  cell: fc.constantFrom('beijing', 'shanghai'),
  space: fc.constantFrom('users', 'orders'),
  bucket: fc.constantFrom('1', '2', 'k'),
  epoch: fc.constantFrom(1, 2),
  key: fc.constantFrom('1', 'k', 'beijing', undefined),
  hop: fc.constantFrom({ count: 0, from: undefined }, { count: 1, from: 'shanghai' }, { count: 1, from: 'beijing' })
})
const placed = fc.oneof(
  context,
  context.map(({ cell, hop }) => ({ cell, space: undefined, bucket: undefined, epoch: undefined, key: undefined, hop }))
)

function verified(lines: string, nowMs: number): RequestContext | string {
  const values = new Map(
    lines
      .split('\r\n')
      .slice(0, -1)
      .map((line): [string, string] => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)])
  )
  const result = verifyContext((name) => values.get(name), { signingKey, nowSeconds: Math.floor(nowMs / 1000) })
  return result.ok ? result.context : result.reason
}

t.test('in whatever order contexts come, each gets headers that say just that', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(placed, fc.nat(45_000)), { maxLength: 60 }), (requests) => {
      const signer = new ContextSigner(signingKey, 'all')
      let nowMs = NOW_MS
      for (const [wanted, pauseMs] of requests) {
        nowMs += pauseMs
        const lines = signer.lines(wanted, nowMs)
        t.same(verified(lines, nowMs), wanted)
        t.same(verified(lines, nowMs + 29_000), wanted, 'and they stay valid for as long as a window')
      }
    }),
    { numRuns: 30 }
  )
})

t.test('the same context is signed once per window', async (t) => {
  const signer = new ContextSigner(signingKey, 'all')
  const one: RequestContext = { cell: 'beijing', space: 'users', bucket: '1', epoch: 1, key: 'k', hop: { count: 0, from: undefined } }
  const first = signer.lines(one, NOW_MS)
  t.equal(signer.lines({ ...one, hop: { ...one.hop } }, NOW_MS + 1), first)
  t.equal(signer.size, 1)
  t.not(signer.lines({ ...one, epoch: 2 }, NOW_MS + 1), first)
  t.equal(signer.lines(one, NOW_MS + 2), first)
  t.equal(signer.size, 2, 'the other epoch has not pushed it out')
  t.not(signer.lines(one, NOW_MS + 120_000), first)
})

t.test('under signing: hops only hops are signed', async (t) => {
  const signer = new ContextSigner(signingKey, 'hops')
  const local: RequestContext = { cell: 'beijing', space: 'users', bucket: '1', epoch: 1, key: 'k', hop: { count: 0, from: undefined } }
  t.equal(signer.lines(local, NOW_MS).includes('x-cellway-sig'), false)
  t.equal(signer.lines(local, NOW_MS).includes('x-cellway-hop'), true)
  t.same(verified(signer.lines({ ...local, hop: { count: 1, from: 'shanghai' } }, NOW_MS), NOW_MS), {
    ...local,
    hop: { count: 1, from: 'shanghai' }
  })
})

t.test('full: it starts over, and goes on signing', async (t) => {
  const signer = new ContextSigner(signingKey, 'all')
  const of = (key: string): RequestContext => ({ cell: 'beijing', space: 'users', bucket: '1', epoch: 1, key, hop: { count: 0, from: undefined } })
  const first = signer.lines(of('first'), NOW_MS)
  for (let at = 1; at < 50_000; at++) signer.lines(of(`user ${at}`), NOW_MS)
  t.equal(signer.size, 50_000)
  t.equal(signer.lines(of('first'), NOW_MS), first)
  t.equal(signer.size, 1, 'the memory was emptied')
  t.same(verified(signer.lines(of('last'), NOW_MS), NOW_MS), of('last'))
})

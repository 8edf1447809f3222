import { crc32 } from 'node:zlib'
import { encodeContext, type RequestContext, verifyContext } from '@cellway/topology'
import t from 'tap'
import { FORGED } from './corpus.ts'
import { startGateway } from './gateway-fixture.ts'
import { firstValue } from './http1-head.ts'
import { connectRaw } from './raw-client.ts'
import type { UpstreamRequest } from './recording-upstream.ts'
import type { Answer } from './strict-response-reader.ts'

t.setTimeout(120_000)

const DEADLINE_MS = 3_000
/** Codes by which a forged or stale hop may be refused. */
const REFUSED = [400, 403, 421]

const gateway = await startGateway()
t.teardown(() => gateway[Symbol.asyncDispose]())

const { signingKey, snapshot } = gateway.world
const ours = keyOwnedBy('beijing')
const theirs = keyOwnedBy('shanghai')

t.test('a key of the other cell makes exactly one hop, signed for that cell', async (t) => {
  const { answer, requests } = await ask(theirs, [])
  t.equal(answer?.status, 200)
  t.equal(requests.length, 1)
  t.equal(requests[0]?.upstream, 'shanghai')
  t.match(contextOf(requests[0]), { cell: 'shanghai', space: 'users', bucket: bucketOf(theirs), key: theirs, hop: { count: 1, from: 'beijing' } })
})

t.test('a hop of the other gateway is served here', async (t) => {
  const { answer, requests } = await ask(ours, signed(hopFor(ours)))
  t.equal(answer?.status, 200)
  t.equal(requests.length, 1)
  t.equal(requests[0]?.upstream, 'beijing')
  t.match(contextOf(requests[0]), { cell: 'beijing', space: 'users', bucket: bucketOf(ours), key: ours })
})

t.test('a hop for a bucket that we do not own is refused with 421, never forwarded again', async (t) => {
  const { answer, requests } = await ask(theirs, signed({ ...hopFor(theirs), cell: 'beijing' }))
  t.equal(answer?.status, 421)
  t.same(requests, [])
})

const good = hopFor(ours)
const forged: readonly (readonly [why: string, headers: readonly string[]])[] = [
  ['expired', encodeContext(good, { signingKey, expiresAtSeconds: nowSeconds() - 120 })],
  ['signed with another key', encodeContext(good, { signingKey: Buffer.alloc(32, 7), expiresAtSeconds: nowSeconds() + 60 })],
  ['meant for another cell', signed({ ...good, cell: 'shanghai' })],
  ['already two hops', signed({ ...good, hop: { count: 2, from: 'shanghai' } })],
  ['from a cell that does not exist', signed({ ...good, hop: { count: 1, from: 'atlantis' } })],
  ['another bucket after signing', changed('x-cellway-bucket', bucketOf(theirs))],
  ['another key after signing', changed('x-cellway-key', theirs)],
  ['another epoch after signing', changed('x-cellway-epoch', '2')],
  ['another space after signing', changed('x-cellway-space', 'areas')],
  ['no hop count after signing', changed('x-cellway-hop', '0')],
  ['a later expiry after signing', changed('x-cellway-sig', (firstOf(signed(good), 'x-cellway-sig') ?? '').replace(/exp=[0-9]+/, 'exp=9999999999'))],
  ['an empty signature', changed('x-cellway-sig', '')],
  ['a cut signature', changed('x-cellway-sig', (firstOf(signed(good), 'x-cellway-sig') ?? '').slice(0, -4))],
  ['a signature of an unknown version', changed('x-cellway-sig', (firstOf(signed(good), 'x-cellway-sig') ?? '').replace('v1', 'v0'))],
  ['the bucket twice', [...signed(good), 'X-Cellway-Bucket', bucketOf(theirs)]],
  ['the signature twice', [...signed(good), 'X-Cellway-Sig', FORGED]],
  ['the bucket again with underscores', [...signed(good), 'X_Cellway_Bucket', bucketOf(theirs)]]
]

t.test('a hop that is not a sound one of ours is refused, or judged like any client', async (t) => {
  for (const [why, headers] of forged) {
    await t.test(why, async (t) => {
      const { answer, requests } = await ask(ours, headers)
      if (answer !== undefined && REFUSED.includes(answer.status)) {
        t.same(requests, [], 'refused: nothing reaches an upstream')
        return
      }
      t.equal(answer?.status, 200)
      t.equal(requests.length, 1)
      t.match(
        contextOf(requests[0]),
        { cell: 'beijing', space: 'users', bucket: bucketOf(ours), key: ours, hop: { count: 0 } },
        'only what we judged ourselves'
      )
    })
  }
})

t.test('a context that leaked from an app does not decide where a request goes', async (t) => {
  const leaked = signed({ ...good, hop: { count: 0, from: undefined } })
  const { answer, requests } = await ask(theirs, leaked)
  if (answer !== undefined && REFUSED.includes(answer.status)) {
    t.same(requests, [])
    return
  }
  t.equal(requests.length, 1)
  t.equal(requests[0]?.upstream, 'shanghai', 'the key of the request decides')
  t.match(contextOf(requests[0]), { cell: 'shanghai', bucket: bucketOf(theirs), key: theirs })
})

async function ask(key: string, headers: readonly string[]): Promise<{ answer: Answer | undefined; requests: readonly UpstreamRequest[] }> {
  const lines = headers.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${headers[index + 1] ?? ''}\r\n`] : [])).join('')
  using client = await connectRaw({ port: gateway.port, methods: ['GET'] })
  await client.send(Buffer.from(`GET /api/a HTTP/1.1\r\nHost: shop.example\r\nX-User-Id: ${key}\r\n${lines}\r\n`), 'whole')
  await client.until((view) => view.closed || view.answers.some(({ complete }) => complete), DEADLINE_MS)
  return { answer: client.view().answers[0], requests: gateway.upstreams.flatMap((upstream) => upstream.take().requests) }
}

/** What the gateway of shanghai would send for this key. */
function hopFor(key: string): RequestContext {
  return { cell: 'beijing', space: 'users', bucket: bucketOf(key), epoch: 1, key, hop: { count: 1, from: 'shanghai' } }
}

function signed(context: RequestContext): readonly string[] {
  return encodeContext(context, { signingKey, expiresAtSeconds: nowSeconds() + 60 })
}

/** A sound hop with one header changed after signing. */
function changed(name: string, value: string): readonly string[] {
  const headers = [...signed(good)]
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) headers[at + 1] = value
  return headers
}

function firstOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((candidate, index) => index % 2 === 0 && candidate === name)
  return at === -1 ? undefined : headers[at + 1]
}

function contextOf(request: UpstreamRequest | undefined): unknown {
  const verified = verifyContext((name) => firstValue(request?.headers ?? [], name), { signingKey, nowSeconds: nowSeconds() })
  return verified.ok ? verified.context : verified.reason
}

function keyOwnedBy(cell: string): string {
  for (let number = 1; number < 10_000; number += 1) {
    const key = `user-${number}`
    if (snapshot.ledger.some(({ bucket, owner }) => bucket === bucketOf(key) && owner === cell)) return key
  }
  throw new Error(`no key of ${cell} among 10,000`)
}

/** Written out here and not taken from the code under test. */
function bucketOf(key: string): string {
  return String(crc32(key) % 1024)
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

import { connect as connectHttp2 } from 'node:http2'
import t from 'tap'
import { startGateway } from './gateway-fixture.ts'
import { LARGE_BODY } from './good-answers.ts'
import { http2Corpus } from './http2-corpus.ts'
import { upstreamProblems } from './judge.ts'
import { runWireRow, takeAll, type WireTarget } from './run-wire-row.ts'

const DEADLINE_MS = 2_000
t.setTimeout(120_000)

const gateway = await startGateway({ tls: true })
t.teardown(() => gateway[Symbol.asyncDispose]())
const target: WireTarget = { ...gateway, deadlineMs: DEADLINE_MS }

for (const [group, rows] of Object.entries(http2Corpus)) {
  t.test(`HTTP/2: ${group}`, async (t) => {
    for (const row of rows) {
      await t.test(`${row.id}: ${row.why}`, async (t) => {
        t.same(await runWireRow(row, target), [])
      })
    }
  })
}

t.test('a good library client: methods, bodies, large answers, many streams', async (t) => {
  const session = connectHttp2(`https://localhost:${gateway.port}`, { ca: gateway.ca })
  t.teardown(() => session.destroy())
  const ask = (headers: Record<string, string>, body?: Buffer): Promise<{ status: number; body: Buffer }> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':authority': 'shop.example', ...headers }, { endStream: body === undefined })
      const pieces: Buffer[] = []
      let status = 0
      stream.setTimeout(DEADLINE_MS, () => stream.destroy(new Error('no answer in time')))
      stream.on('response', (reply) => {
        status = Number(reply[':status'])
      })
      stream.on('data', (piece: Buffer) => pieces.push(piece))
      stream.on('end', () => resolve({ status, body: Buffer.concat(pieces) }))
      stream.on('error', reject)
      if (body) stream.end(body)
    })
  await t.test('each method', async (t) => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const withBody = ['POST', 'PUT', 'PATCH'].includes(method)
      const reply = await ask({ ':method': method, ':path': '/open/a' }, withBody ? Buffer.from('abc') : undefined)
      t.equal(reply.status, 200)
      t.match(JSON.parse(reply.body.toString()), { method, bodyBytes: withBody ? 3 : 0 })
    }
  })
  await t.test('HEAD and 204 have no body', async (t) => {
    t.match(await ask({ ':method': 'HEAD', ':path': '/open/answer/head' }), { status: 200, body: Buffer.alloc(0) })
    t.match(await ask({ ':path': '/open/answer/204' }), { status: 204, body: Buffer.alloc(0) })
  })
  await t.test('1 MiB each way', async (t) => {
    const up = await ask({ ':method': 'POST', ':path': '/open/a' }, LARGE_BODY)
    t.match(JSON.parse(up.body.toString()), { bodyBytes: LARGE_BODY.length })
    const down = await ask({ ':path': '/open/answer/large' })
    t.ok(down.body.equals(LARGE_BODY))
  })
  await t.test('100 streams at once get their own answers', async (t) => {
    const targets = Array.from({ length: 100 }, (_, index) => `/open/stream/${index}`)
    const replies = await Promise.all(targets.map((target) => ask({ ':path': target })))
    t.same(
      replies.map(({ body }) => JSON.parse(body.toString()).target),
      targets
    )
  })
  t.same(upstreamProblems(takeAll(gateway), gateway.world), [])
})

import t from 'tap'
import { startGateway } from './gateway-fixture.ts'
import { goodRequests } from './good-requests.ts'
import { hostileCorpus } from './hostile-corpus.ts'
import { connectRaw } from './raw-client.ts'
import { runGoodRow, runRow, type Target } from './run-row.ts'

const DEADLINE_MS = 2_000

t.setTimeout(120_000)

const gateway = await startGateway()
t.teardown(() => gateway[Symbol.asyncDispose]())
const target: Target = { port: gateway.port, upstreams: gateway.upstreams, world: gateway.world, deadlineMs: DEADLINE_MS }

t.test('the corpus has the size that the design asks for, each row its own name', async (t) => {
  const hostile = Object.values(hostileCorpus).flat()
  const ids = [...hostile, ...goodRequests].map(({ id }) => id)
  t.ok(hostile.length >= 150, `${hostile.length} hostile requests`)
  t.ok(goodRequests.length >= 25, `${goodRequests.length} good requests`)
  t.same(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    []
  )
})

for (const [group, rows] of Object.entries(hostileCorpus)) {
  t.test(`hostile: ${group}`, async (t) => {
    for (const row of rows) {
      await t.test(`${row.id}: ${row.why}`, async (t) => {
        t.same(await runRow(row, target), [])
      })
    }
  })
}

t.test('good requests pass unharmed', async (t) => {
  for (const row of goodRequests) {
    await t.test(`${row.id}: ${row.why}`, async (t) => {
      t.same(await runGoodRow(row, target), [])
    })
  }
})

t.test('a websocket passes on its route, both ways, and ends with the client', async (t) => {
  using client = await connectRaw({ port: gateway.port, methods: ['GET'] })
  const head = 'GET /ws/echo HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
  await client.send(Buffer.from(`${head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`), 'whole')
  t.ok(await client.until(({ answers }) => answers[0]?.status === 101, DEADLINE_MS))
  // A masked text frame; behind the 101 every byte is the app's business.
  const frame = Buffer.from('818537fa213d7f9f4d5158', 'hex')
  await client.send(frame, 'bytes')
  t.ok(await client.until(({ rest }) => rest.equals(frame), DEADLINE_MS), 'the echo comes back as it was sent')
})

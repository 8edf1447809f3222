import t from 'tap'
import { startGateway } from './gateway-fixture.ts'
import { goodRequests } from './good-requests.ts'
import { hostileCorpus } from './hostile-corpus.ts'
import { runGoodRow, runRow, type Target } from './run-row.ts'

t.setTimeout(120_000)

/** HTTP/1.1 inside of TLS comes by another way than on the plain port: ALPN parts it from HTTP/2. */
const gateway = await startGateway({ tls: true })
t.teardown(() => gateway[Symbol.asyncDispose]())
const target: Target = { port: gateway.port, tls: { ca: gateway.ca }, upstreams: gateway.upstreams, world: gateway.world, deadlineMs: 2_000 }

for (const [group, rows] of Object.entries(hostileCorpus)) {
  t.test(`hostile, over TLS: ${group}`, async (t) => {
    for (const row of rows) {
      await t.test(`${row.id}: ${row.why}`, async (t) => {
        t.same(await runRow(row, target), [])
      })
    }
  })
}

t.test('good requests pass unharmed over TLS', async (t) => {
  for (const row of goodRequests) {
    await t.test(`${row.id}: ${row.why}`, async (t) => {
      t.same(await runGoodRow(row, target), [])
    })
  }
})

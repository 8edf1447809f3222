import t from 'tap'
import { startGateway } from './gateway-fixture.ts'
import { maliciousAnswers } from './malicious-answers.ts'
import { startMaliciousUpstream } from './malicious-upstream.ts'
import { runMaliciousRow } from './run-malicious-row.ts'

t.setTimeout(120_000)

const upstream = await startMaliciousUpstream(new Map(maliciousAnswers.map(({ id, steps }) => [id, steps])))
t.teardown(() => upstream[Symbol.asyncDispose]())
/** One connection per instance: whoever comes next gets the connection that was just misused, unless the gateway gives it up. */
const gateway = await startGateway({
  app: `http://127.0.0.1:${upstream.port}`,
  config: { upstream: { connectionsPerInstanceMax: 1, bodyIdleTimeoutMs: 1_000 } }
})
t.teardown(() => gateway[Symbol.asyncDispose]())

t.test('there are at least 30 ways to be wrong', async (t) => {
  t.ok(maliciousAnswers.length >= 30, `${maliciousAnswers.length} rows`)
})

for (const row of maliciousAnswers) {
  t.test(`${row.id}: ${row.why}`, async (t) => {
    t.same(await runMaliciousRow(row, gateway.port, upstream), [])
  })
}

import t from 'tap'
import { startGateway } from './gateway-fixture.ts'
import { answerProblems, short } from './judge.ts'
import { type MaliciousRow, maliciousAnswers, STRAY } from './malicious-answers.ts'
import { EVIL_PREFIX, GOOD_PREFIX, startMaliciousUpstream } from './malicious-upstream.ts'
import { type ClientView, connectRaw, type RawClient } from './raw-client.ts'

t.setTimeout(120_000)

/** Above the gateway's own time limits of 1 s for headers and for a pause in the body, below any of node's. */
const DEADLINE_MS = 5_000
const DROP_MS = 3_000

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

let tokens = 0

for (const row of maliciousAnswers) {
  t.test(`${row.id}: ${row.why}`, async (t) => {
    upstream.takeProblems()
    using victim = await connectRaw({ port: gateway.port, methods: ['GET'] })
    using own = await connectRaw({ port: gateway.port, methods: [row.method] })
    t.same(await askGood(victim, 0, 'served'), [], 'the other client before')
    await own.send(Buffer.from(`${row.method} ${EVIL_PREFIX}${row.id} HTTP/1.1\r\nHost: shop.example\r\n\r\n`), 'whole')
    // While the wrong answer is on its way, and right after it: the moments at which bytes could change hands.
    const meanwhile = await askGood(victim, 1, 'served-or-502')
    t.ok(await own.until((view) => view.closed || view.answers.some(({ complete }) => complete), DEADLINE_MS), 'its own client is not left hanging')
    const after = meanwhile.length > 0 || victim.view().closed ? [] : await askGood(victim, 2, 'served-or-502')
    t.same([...meanwhile, ...after], [], 'the other client meanwhile and after')
    t.same(ownProblems(row, own.view()), [], 'its own client')
    upstream.releaseIdle()
    if (row.poisons) t.ok(await upstream.dropped(row.id, DROP_MS), 'the connection is given up')
    using next = await connectRaw({ port: gateway.port, methods: ['GET'] })
    t.same(await askGood(next, 0, 'served'), [], 'the next good request')
    if (row.poisons) t.same(upstream.takeProblems(), [], 'and never used again')
  })
}

/** Sends a good request and checks that the answer number `index` is the one for it, or where allowed an honest failure. */
async function askGood(client: RawClient, index: number, want: 'served' | 'served-or-502'): Promise<readonly string[]> {
  tokens += 1
  const token = `token-${tokens}`
  await client.send(Buffer.from(`GET ${GOOD_PREFIX}${token} HTTP/1.1\r\nHost: shop.example\r\n\r\n`), 'whole')
  await client.until((view) => view.closed || view.answers[index]?.complete === true, DEADLINE_MS)
  const view = client.view()
  const answer = view.answers[index]
  if (!answer) return [`no answer to ${token}, closed: ${view.closed}`]
  const problems = [...answerProblems(view)]
  if (view.received.includes(STRAY)) problems.push('stray bytes of another answer')
  if (answer.status === 200 && answer.body.toString() === token) return problems
  if (want === 'served-or-502' && [502, 503, 504].includes(answer.status) && isOurs(answer.body)) return problems
  return [...problems, `status ${answer.status} ${short(answer.body.toString())}, want ${token}`]
}

function ownProblems(row: MaliciousRow, view: ClientView): readonly string[] {
  const [answer, ...more] = view.answers
  if (!answer) return row.outcomes.includes('cut') && view.closed ? [] : [`no answer, closed: ${view.closed}`]
  const problems = [...answerProblems(view)]
  if (more.length > 0) problems.push(`${view.answers.length} answers, want 1`)
  if (/x-injected|x-inner/i.test(JSON.stringify(answer.headers))) problems.push('a header that must not go on')
  if (!row.body.includes(STRAY) && view.received.includes(STRAY) && answer.complete) problems.push('stray bytes in a complete answer')
  const outcome = outcomeOf(row, view)
  return row.outcomes.some((allowed) => allowed === outcome)
    ? problems
    : [...problems, `${outcome}, want ${row.outcomes.join(' or ')}: ${answer.status} ${short(answer.body.toString())}`]
}

function outcomeOf(row: MaliciousRow, { answers, closed }: ClientView): string {
  const [answer] = answers
  if (!answer) return 'nothing'
  if ([502, 503, 504].includes(answer.status) && answer.complete && isOurs(answer.body)) return 'gateway'
  if (!answer.complete) return closed ? 'cut' : 'unfinished'
  return answer.status === row.status && answer.body.toString() === row.body ? 'whole' : 'something else'
}

function isOurs(body: Buffer): boolean {
  return /"code":"GW_[A-Z_]+"/.test(body.toString())
}

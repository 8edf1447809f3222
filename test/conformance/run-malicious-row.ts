import { answerProblems, short } from './judge.ts'
import { type MaliciousRow, STRAY } from './malicious-answers.ts'
import { EVIL_PREFIX, GOOD_PREFIX, type MaliciousUpstream } from './malicious-upstream.ts'
import { type ClientView, connectRaw, type RawClient } from './raw-client.ts'

/** Above the gateway's own time limits of 1 s for headers and for a pause in the body, below any of node's. */
export const MALICIOUS_DEADLINE_MS = 5_000

let tokens = 0

/**
 * One client asks for the wrong answer while another one asks for good ones, before, meanwhile and after.
 * Returns every way in which somebody got what is not theirs, or nothing at all.
 */
export async function runMaliciousRow(
  row: MaliciousRow,
  port: number,
  upstream: MaliciousUpstream,
  deadlineMs = MALICIOUS_DEADLINE_MS
): Promise<readonly string[]> {
  upstream.takeProblems()
  using victim = await connectRaw({ port, methods: ['GET'] })
  using own = await connectRaw({ port, methods: [row.method] })
  const before = await askGood(victim, 0, { want: 'served', deadlineMs })
  await own.send(Buffer.from(`${row.method} ${EVIL_PREFIX}${row.id} HTTP/1.1\r\nHost: shop.example\r\n\r\n`), 'whole')
  // While the wrong answer is on its way, and right after it: the moments at which bytes could change hands.
  const meanwhile = await askGood(victim, 1, { want: 'served-or-502', deadlineMs })
  const settled = await own.until((view) => view.closed || view.answers.some(({ complete }) => complete), deadlineMs)
  const after = meanwhile.length > 0 || victim.view().closed ? [] : await askGood(victim, 2, { want: 'served-or-502', deadlineMs })
  upstream.releaseIdle()
  const dropped = !row.poisons || (await upstream.dropped(row.id, deadlineMs))
  using next = await connectRaw({ port, methods: ['GET'] })
  const later = await askGood(next, 0, { want: 'served', deadlineMs })
  return [
    ...before.map((problem) => `the other client before: ${problem}`),
    ...(settled ? [] : ['its own client is left hanging']),
    ...meanwhile.map((problem) => `the other client meanwhile: ${problem}`),
    ...after.map((problem) => `the other client after: ${problem}`),
    ...ownProblems(row, own.view()).map((problem) => `its own client: ${problem}`),
    ...(dropped ? [] : ['the connection is not given up']),
    ...later.map((problem) => `the next good request: ${problem}`),
    ...(row.poisons ? upstream.takeProblems() : [])
  ]
}

/** Sends a good request and checks that the answer number `index` is the one for it, or where allowed an honest failure. */
interface Asked {
  readonly want: 'served' | 'served-or-502'
  readonly deadlineMs: number
}

async function askGood(client: RawClient, index: number, { want, deadlineMs }: Asked): Promise<readonly string[]> {
  tokens += 1
  const token = `token-${tokens}`
  await client.send(Buffer.from(`GET ${GOOD_PREFIX}${token} HTTP/1.1\r\nHost: shop.example\r\n\r\n`), 'whole')
  await client.until((view) => view.closed || view.answers[index]?.complete === true, deadlineMs)
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
  if ([421, 502, 503, 504].includes(answer.status) && answer.complete && isOurs(answer.body)) return 'gateway'
  if (!answer.complete) return closed ? 'cut' : 'unfinished'
  return answer.status === row.status && answer.body.toString() === row.body ? 'whole' : 'something else'
}

function isOurs(body: Buffer): boolean {
  return /"code":"(GW|TOPO)_[A-Z_]+"/.test(body.toString())
}

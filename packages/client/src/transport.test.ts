import t from 'tap'
import { createControlClient } from './client.ts'
import { type Act, answer, inTurn, openStage, serverError } from './testing.ts'

const APPLIED = { version: 3, changed: true, warnings: [] }
const STATUS = { version: 3 }
const reset: Act = (request) => request.socket.destroy()
const change = { changes: [], reason: 'r' }

t.test('what control refuses comes back as its own error', async (t) => {
  const details = { conflicts: [{ bucket: '1' }] }
  await using stage = await openStage(answer(409, serverError('CTL_EPOCH_CONFLICT', 'after-change', details)))
  await using client = createControlClient({ urls: [`${stage.url}/`], token: 'T' })
  await t.rejects(client.changeLedger(change), {
    name: 'CellwayError',
    code: 'CTL_EPOCH_CONFLICT',
    statusCode: 409,
    retry: 'after-change',
    origin: 'client',
    details
  })
  t.equal(stage.requests.length, 1, 'an answer is an answer: it is not asked again')
  t.equal(stage.requests[0]?.headers.authorization, 'Bearer T')
})

t.test('calls are made as the API wants them', async (t) => {
  await using stage = await openStage(answer(200, APPLIED))
  await using client = createControlClient({ urls: [stage.url], token: 'T' })
  t.same(await client.applyTopology({ text: 'x', reason: 'r', ifMatch: 2 }), APPLIED)
  await client.buckets({ space: 'users', limit: 5 })
  await client.audit.list({ after: 7 })
  await client.tokens.remove('a b', { reason: 'left & gone' })
  t.same(
    stage.requests.map(({ method, url }) => `${method} ${url}`),
    ['PUT /v1/topology', 'GET /v1/buckets?space=users&limit=5', 'GET /v1/audit?after=7', 'DELETE /v1/tokens/a%20b?reason=left%20%26%20gone']
  )
  t.equal(stage.requests[0]?.headers['if-match'], '"2"')
  t.match(stage.requests[0]?.headers['idempotency-key'], /^[\w-]{36}$/)
  t.equal(stage.requests[1]?.headers['idempotency-key'], undefined)
})

t.test('no topology yet is an answer, not an error', async (t) => {
  await using stage = await openStage(answer(404, serverError('CTL_NO_TOPOLOGY', 'after-change')))
  await using client = createControlClient({ urls: [stage.url], token: 'T' })
  t.equal(await client.topology(), undefined)
  t.equal(await client.snapshot(), undefined)
  await t.rejects(client.explain({ method: 'GET', url: '/' }), { code: 'CTL_NO_TOPOLOGY' })
})

t.test('the next control process is asked when one is gone, stopping or silent', async (t) => {
  await using good = await openStage(answer(200, STATUS))
  const gone = await openStage(reset)
  await gone[Symbol.asyncDispose]()
  await using stopping = await openStage(answer(503, serverError('CTL_STOPPING', 'later')))
  await using broken = await openStage(reset)
  for (const [name, url] of Object.entries({ gone: gone.url, stopping: stopping.url, broken: broken.url })) {
    await using client = createControlClient({ urls: [url, good.url], token: 'T' })
    t.same(await client.status(), STATUS, name)
    t.same(await client.changeLedger(change), STATUS, `${name}, a command`)
  }
})

t.test('a lost answer: the command is sent again under the same key', async (t) => {
  await using stage = await openStage(inTurn(reset, answer(200, STATUS)))
  await using client = createControlClient({ urls: [stage.url], token: 'T' })
  t.same(await client.changeLedger(change), STATUS)
  t.equal(stage.requests.length, 2)
  t.equal(stage.requests[0]?.headers['idempotency-key'], stage.requests[1]?.headers['idempotency-key'])
  t.ok(stage.requests[0]?.headers['idempotency-key'])
})

t.test('when no answer comes at all, the error says what is known', async (t) => {
  await using broken = await openStage(reset)
  const gone = await openStage(reset)
  await gone[Symbol.asyncDispose]()
  await using silent = await openStage(() => undefined)
  const rows: [string, string, number, (client: ReturnType<typeof createControlClient>) => Promise<unknown>, string][] = [
    ['reading from nobody', gone.url, 5000, (client) => client.status(), 'CLIENT_UNREACHABLE'],
    ['a command to nobody', gone.url, 5000, (client) => client.changeLedger(change), 'CLIENT_UNREACHABLE'],
    ['reading, connection lost', broken.url, 5000, (client) => client.status(), 'CLIENT_UNREACHABLE'],
    ['a command, connection lost', broken.url, 5000, (client) => client.changeLedger(change), 'CLIENT_OUTCOME_UNKNOWN'],
    ['reading, no answer', silent.url, 100, (client) => client.status(), 'CLIENT_TIMEOUT'],
    ['a command, no answer', silent.url, 100, (client) => client.changeLedger(change), 'CLIENT_OUTCOME_UNKNOWN']
  ]
  for (const [name, url, timeoutMs, act, code] of rows) {
    await using client = createControlClient({ urls: [url], token: 'T', timeoutMs })
    await t.rejects(act(client), { code }, name)
  }
})

t.test('what is no control process is called so', async (t) => {
  const rows: [string, Act][] = [
    ['a page', answer(200, '<html>')],
    ['a list', answer(200, [])],
    ['an error without a code', answer(500, { message: 'x' })],
    ['a page as error', answer(404, '<html>')]
  ]
  for (const [name, act] of rows) {
    await using stage = await openStage(act)
    await using client = createControlClient({ urls: [stage.url], token: 'T' })
    await t.rejects(client.status(), { code: 'CLIENT_RESPONSE_INVALID' }, name)
  }
})

t.test('the caller can give up', async (t) => {
  await using silent = await openStage(() => undefined)
  await using client = createControlClient({ urls: [silent.url], token: 'T' })
  const stop = new AbortController()
  const waiting = client.changeLedger(change, { signal: stop.signal })
  setTimeout(() => stop.abort(), 20)
  await t.rejects(waiting, { name: 'AbortError' })
})

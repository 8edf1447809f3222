import { randomBytes } from 'node:crypto'
import t from 'tap'
import { type Cell, startWorld, userAt } from './fixture.ts'
import type { Answer } from './http-client.ts'
import { type Handler, type RecordingApp, readBody } from './recording-app.ts'
import { until } from './until.ts'

const world = await startWorld({
  cells: ['beijing', 'shanghai'],
  instances: 2,
  config: { breaker: { failuresToOpen: 5, openMs: 400, openMsMax: 1_600 } },
  cellConfig: {
    // Only passive detection: probes would heal what these tests break.
    beijing: { health: { intervalMs: 600_000 } },
    shanghai: { retry: { budgetRatio: 0, budgetBurst: 2 }, health: { intervalMs: 400, timeoutMs: 400, failuresToDown: 2 } }
  }
})
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')
const shanghai = world.cell('shanghai')

const secondOf = (cell: Cell): RecordingApp => {
  const [, second] = cell.apps
  if (second === undefined) throw new Error('there is only one instance')
  return second
}

/** Takes the request, then breaks the connection: nobody can know whether it was executed. */
const breakAfterReading: Handler = (request, response, seen) => {
  const breakConnection = (): unknown => response.destroy()
  readBody(request, seen).then(breakConnection, breakConnection)
}

interface InstanceView {
  readonly probe: string
  readonly breaker: string
  readonly takesRequests: boolean
}

async function instanceView(cell: Cell, origin: string): Promise<InstanceView> {
  const { json } = await cell.gateway.admin('/v1/upstreams')
  return json.workers[0].instances.find((instance: { origin: string }) => instance.origin === origin)
}

const local = (cell: Cell, method = 'GET', body?: string | Buffer): Promise<Answer> =>
  cell.send('/local/x', { method, ...(body === undefined ? {} : { body }) })

/** Requests until the breaker of each instance is closed again. */
async function heal(cell: Cell): Promise<void> {
  for (const app of cell.apps) app.handler = undefined
  await until('both breakers are closed', async () => {
    await local(cell)
    const views = await Promise.all(cell.apps.map((app) => instanceView(cell, app.origin)))
    return views.every((view) => view.breaker === 'closed')
  })
  world.take()
}

t.test('connection refused: the next instance gets it, whatever the method and the size of the body', async (t) => {
  await secondOf(beijing).stop()
  const answers: Answer[] = []
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) answers.push(await local(beijing, method, method === 'GET' ? undefined : 'x'))
  const large = randomBytes(300 * 1024)
  for (let turn = 0; turn < 2; turn++) answers.push(await local(beijing, 'POST', large))
  t.same(
    answers.map((answer) => answer.status),
    Array(6).fill(200)
  )
  t.same(
    answers.slice(-2).map((answer) => answer.json.bodyBytes),
    [large.length, large.length],
    'a body that streams is whole at the second instance'
  )
  t.equal(world.take().beijing?.length, 6, 'each was executed once')
  t.ok((await beijing.gateway.metric('cellway_gateway_retries_total', { reason: 'not-sent' })) >= 2)
  await secondOf(beijing).start()
  await heal(beijing)
})

t.test('connection broken after the request was sent: GET goes to the next instance', async (t) => {
  for (const app of beijing.apps) {
    let broken = false
    app.handler = (request, response, seen) => {
      if (broken) response.writeHead(200, { 'content-type': 'application/json' }).end('{"again":true}')
      else breakAfterReading(request, response, seen)
      broken = true
    }
  }
  const answer = await local(beijing)
  t.same([answer.status, answer.json], [200, { again: true }])
  t.equal(world.take().beijing?.length, 3, 'two instances broke it, the third attempt was answered')
  await heal(beijing)
})

t.test('connection broken after the request was sent: POST is never sent again', async (t) => {
  for (const app of beijing.apps) app.handler = breakAfterReading
  const answer = await local(beijing, 'POST', 'pay')
  t.same([answer.status, answer.code], [502, 'GW_UPSTREAM_FAILED'])
  t.equal(answer.json.error.details.executed, 'unknown', 'the client is told that it may have happened')
  t.equal(world.take().beijing?.length, 1)
  await heal(beijing)
})

t.test('attempts are bounded', async (t) => {
  for (const app of beijing.apps) app.handler = breakAfterReading
  const answer = await local(beijing)
  t.same([answer.status, answer.code], [502, 'GW_UPSTREAM_FAILED'])
  t.equal(world.take().beijing?.length, 3)
  await heal(beijing)
})

t.test('an answer is an answer: 500 is passed on, not retried, and no sign of a dead instance', async (t) => {
  for (const app of beijing.apps) app.handler = (_request, response) => response.writeHead(500, { 'content-length': 4 }).end('oops')
  for (let turn = 0; turn < 12; turn++) t.equal((await local(beijing)).text, 'oops')
  t.equal(world.take().beijing?.length, 12)
  t.equal((await instanceView(beijing, beijing.app.origin)).breaker, 'closed')
  await heal(beijing)
})

t.test('breaker: opens after failures in a row, keeps requests away, tries one, and closes when it is well', async (t) => {
  const sick = secondOf(beijing)
  sick.handler = breakAfterReading
  const opened = (): Promise<number> => beijing.gateway.metric('cellway_gateway_breaker_opened_total', { instance: sick.origin })
  const before = await opened()
  await until('the breaker opens', async () => {
    await local(beijing, 'POST', 'x')
    return (await opened()) === before + 1
  })
  t.equal(sick.seen.length, 5, 'as many failures as configured')
  let answered = 0
  await until('trials have opened it twice again', async () => {
    const { status } = await local(beijing)
    t.equal(status, 200, 'nobody notices: a trial that fails goes to the other instance')
    answered += 1
    return (await opened()) >= before + 3
  })
  t.equal(sick.seen.length, 5 + (await opened()) - before - 1, 'one trial for each time that its pause is over, not a stampede')
  t.ok(answered > sick.seen.length - 5)
  await heal(beijing)
  await local(beijing)
  await local(beijing)
  t.equal(sick.take().length, 1, 'half of the requests are back')
})

t.test('every breaker open: 503 GW_NO_UPSTREAM with the reason', async (t) => {
  for (const app of beijing.apps) app.handler = breakAfterReading
  let refused: Answer | undefined
  await until('both are open', async () => {
    refused = await local(beijing, 'POST', 'x')
    return refused.status === 503
  })
  t.equal(refused?.code, 'GW_NO_UPSTREAM')
  t.match(refused?.json.error.details, { cell: 'beijing', app: 'default', reason: /breaker is open/ })
  t.equal(refused?.headers['retry-after'], '1')
  await heal(beijing)
})

t.test('retry budget: when it is used up, a failure is a failure', async (t) => {
  for (const app of shanghai.apps) app.handler = breakAfterReading
  t.equal((await local(shanghai)).status, 502)
  t.equal(world.take().shanghai?.length, 3, 'both retries of the budget')
  t.equal((await local(shanghai)).status, 502)
  t.equal(world.take().shanghai?.length, 1, 'none left')
  t.equal(await shanghai.gateway.metric('cellway_gateway_retries_total', { reason: 'budget-empty' }), 1)
  await heal(shanghai)
})

t.test('active probe: a sick instance leaves the pool and comes back, without a failed request', async (t) => {
  const sick = secondOf(shanghai)
  sick.healthy = false
  await until('the probe says down', async () => (await instanceView(shanghai, sick.origin)).probe === 'down')
  t.equal(await shanghai.gateway.metric('cellway_gateway_upstream_up', { instance: sick.origin }), 0)
  for (let turn = 0; turn < 6; turn++) t.equal((await local(shanghai, 'POST', 'x')).status, 200)
  t.equal(sick.take().length, 0)
  sick.healthy = true
  await until('the probe says up', async () => (await instanceView(shanghai, sick.origin)).probe === 'up')
  await local(shanghai)
  await local(shanghai)
  t.equal(sick.take().length, 1)
  world.take()
})

t.test('active probe: an instance that is killed and started again', async (t) => {
  const killed = secondOf(shanghai)
  await killed.stop()
  await until('the probe says down', async () => (await instanceView(shanghai, killed.origin)).probe === 'down')
  for (const app of shanghai.apps) app.healthy = false
  await until('no instance is left', async () => (await local(shanghai)).code === 'GW_NO_UPSTREAM')
  t.equal((await shanghai.gateway.admin('/health/ready')).status, 200, 'the gateway itself is well')
  for (const app of shanghai.apps) app.healthy = true
  await killed.start()
  await until('both are back', async () => (await instanceView(shanghai, killed.origin)).takesRequests && (await local(shanghai)).status === 200)
  world.take()
})

t.test('dead cell: 502 or 503 with the reason, the own cell serves on, ownership does not change', async (t) => {
  const version = world.snapshot().version
  await shanghai.gateway[Symbol.asyncDispose]()
  const first = await beijing.send('/users/me', { method: 'POST', headers: userAt('shanghai'), body: 'x' })
  t.same([first.status, first.code], [502, 'GW_UPSTREAM_FAILED'])
  t.match(first.json.error.details, { cell: 'shanghai', reason: 'ECONNREFUSED', executed: 'no' })
  await until('its breaker opens', async () => (await beijing.send('/users/me', { headers: userAt('shanghai') })).status === 503)
  const own = await beijing.send('/users/me', { headers: userAt('beijing') })
  t.equal(own.json.cell, 'beijing')
  const explained = await beijing.gateway.admin('/v1/route/explain', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: '/users/me', headers: userAt('shanghai') })
  })
  t.match(explained.json, { version, bucket: { owner: 'shanghai', epoch: 1 }, verdict: { kind: 'hop', cell: 'shanghai' } })
  await world.restart('shanghai')
  await until('the cell is back', async () => (await beijing.send('/users/me', { headers: userAt('shanghai') })).json?.cell === 'shanghai')
  t.equal(world.snapshot().version, version)
})

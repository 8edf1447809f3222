import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { codeOf, detailsOf, EXAMPLE_TOPOLOGY, startTestControl, type TestControl } from '../testing.ts'
import { exampleReport } from '../testing-report.ts'

interface Asked {
  readonly method: string
  readonly url: string
  readonly authorization: string
  readonly body: unknown
}

interface Listener extends AsyncDisposable {
  readonly url: string
  readonly asked: Asked[]
}

/** A process at the admin address of a replicator, answering as told. */
async function openListener(answer: (asked: Asked) => { status: number; body: unknown }): Promise<Listener> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    void bodyOf(request).then((text) => {
      const one = {
        method: request.method ?? '',
        url: request.url ?? '',
        authorization: request.headers.authorization ?? '',
        body: text === '' ? undefined : JSON.parse(text)
      }
      asked.push(one)
      const { status, body } = answer(one)
      response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const PAUSE = '/v1/cells/beijing/replicator/streams/shanghai/pause'

async function startWithTopology(): Promise<TestControl> {
  const test = await startTestControl()
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  return test
}

t.test('what replicators report is in the status, per edge', async (t) => {
  await using test = await startWithTopology()
  const before = await test.call('GET', '/v1/status')
  t.same([before.body.replicators, before.body.streams], [[], []], 'nobody replicates')
  await test.call('POST', '/v1/reports', { body: exampleReport('beijing') })
  const { body } = await test.call('GET', '/v1/status')
  t.match(body, {
    replicators: [{ cell: 'beijing', member: 'beijing-rep-1', phase: 'running', stale: false, epoch: 3, capture: { echoes: 0, transactions: 42 } }],
    streams: [
      { stream: 'shanghai/mysql', from: 'shanghai', to: 'beijing', state: 'running', lagMs: 8.5, stages: { captured: 3, center: 2, applied: 3.5 } }
    ]
  })
  t.notMatch(JSON.stringify(body), 'a'.repeat(43), 'the secret is for nobody')
})

t.test('an edge that nobody tells of is unknown, with the reason of its replicator', async (t) => {
  await using test = await startWithTopology()
  const good = exampleReport('shanghai')
  const status = {
    ...good.status,
    phase: 'blocked',
    reason: 'binlog_row_image is MINIMAL',
    code: 'PRE_BLOCKED',
    statement: 'SET GLOBAL binlog_row_image = FULL',
    streams: []
  } as const
  await test.call('POST', '/v1/reports', { body: { ...good, status } })
  t.match((await test.call('GET', '/v1/status')).body, {
    streams: [
      {
        from: 'beijing',
        to: 'shanghai',
        state: 'unknown',
        reason: 'binlog_row_image is MINIMAL',
        statement: 'SET GLOBAL binlog_row_image = FULL',
        lagMs: null
      }
    ]
  })
})

t.test('a report of another cell, or without its fields, is refused; fields of a newer replicator are not', async (t) => {
  await using test = await startWithTopology()
  const token = await test.token('agent', 'shanghai')
  t.equal(codeOf(await test.call('POST', '/v1/reports', { token, body: exampleReport('beijing') })), 'CTL_WRONG_CELL')
  const { status, ...rest } = exampleReport('shanghai')
  t.equal(codeOf(await test.call('POST', '/v1/reports', { token, body: rest })), 'CTL_REQUEST_INVALID')
  t.equal((await test.call('POST', '/v1/reports', { token, body: { ...rest, status: { ...status, later: 1 } } })).status, 200)
  for (const adminUrl of ['file:///etc/passwd', 'http://a:b@host', 'http://host/path'])
    t.equal(codeOf(await test.call('POST', '/v1/reports', { token, body: { ...rest, status, adminUrl } })), 'CTL_REQUEST_INVALID', adminUrl)
})

t.test('commands go to the newest live replicator of the cell, with its secret and the name of who gave them', async (t) => {
  await using test = await startWithTopology()
  await using listener = await openListener(() => ({ status: 200, body: { done: true } }))
  await test.call('POST', '/v1/reports', { body: exampleReport('beijing', { adminUrl: listener.url, adminSecret: 'b'.repeat(43) }) })
  const token = await test.token('operator')
  const answer = await test.call('POST', PAUSE, { token, body: { reason: 'look at a conflict' } })
  t.match(answer, { status: 200, body: { done: true } })
  await test.call('GET', '/v1/cells/beijing/replicator/conflicts?state=open&limit=5', { token })
  const tables = Array.from({ length: 500 }, (_, at) => ({ schema: 'shop', name: `table_${at}`, text: 'x'.repeat(200) }))
  const large = await test.call('POST', '/v1/cells/beijing/replicator/schema/compare', { token, body: { cell: 'shanghai', tables } })
  t.equal(large.status, 200, 'also a body that comes in pieces')
  t.same(listener.asked.pop()?.body, { cell: 'shanghai', tables })
  t.same(listener.asked, [
    {
      method: 'POST',
      url: '/v1/streams/shanghai/pause',
      authorization: `Bearer ${'b'.repeat(43)}`,
      body: { reason: 'look at a conflict', by: 'operator' }
    },
    { method: 'GET', url: '/v1/conflicts?state=open&limit=5', authorization: `Bearer ${'b'.repeat(43)}`, body: undefined }
  ])
  const { records } = (await test.call('GET', '/v1/audit?after=0&limit=100')).body as { records: readonly { action: string }[] }
  t.match(
    records.filter(({ action }) => action === 'stream.pause'),
    [{ outcome: 'done', reason: 'look at a conflict', target: 'replicator beijing /streams/shanghai/pause', actor: { name: 'operator' } }]
  )
  t.match((await test.call('GET', '/v1/audit/verify')).body, { ok: true })
})

t.test('what the replicator refuses is refused under its code; what is not a replicator is said to be none', async (t) => {
  await using test = await startWithTopology()
  t.equal(codeOf(await test.call('POST', PAUSE, { body: { reason: 'r' } })), 'CTL_REPLICATOR_UNKNOWN', 'nobody reported')
  await test.call('POST', '/v1/reports', { body: exampleReport('beijing') })
  t.equal(codeOf(await test.call('POST', PAUSE, { body: { reason: 'r' } })), 'CTL_REPLICATOR_UNREACHABLE', 'nobody listens')
  const answers = [
    { status: 404, body: { error: { code: 'RPL_STREAM_UNKNOWN', message: 'There is no such stream', retry: 'never', details: { source: 'x' } } } },
    { status: 401, body: { error: { code: 'RPL_UNAUTHORISED', message: 'No', retry: 'never', details: {} } } },
    { status: 200, body: '<html>' },
    { status: 500, body: '{}' }
  ]
  let turn = 0
  await using listener = await openListener(() => answers[turn] ?? { status: 500, body: '' })
  await test.call('POST', '/v1/reports', { body: exampleReport('beijing', { adminUrl: listener.url }) })
  const refused = await test.call('POST', PAUSE, { body: { reason: 'r' } })
  t.match([refused.status, codeOf(refused), detailsOf(refused)], [404, 'RPL_STREAM_UNKNOWN', { source: 'x' }])
  for (turn = 1; turn < answers.length; turn += 1)
    t.equal(codeOf(await test.call('POST', PAUSE, { body: { reason: 'r' } })), 'CTL_REPLICATOR_ANSWER_INVALID', `answer ${turn}`)
  const { records } = (await test.call('GET', '/v1/audit?after=0&limit=100')).body as { records: readonly { action: string; outcome: string }[] }
  const pauses = records.filter(({ action }) => action === 'stream.pause')
  t.equal(pauses.filter(({ outcome }) => outcome === 'refused').length, 6, 'every order that did not work out has a second record')
  t.equal(codeOf(await test.call('POST', '/v1/cells/nowhere/replicator/streams/x/pause', { body: { reason: 'r' } })), 'CTL_CELL_UNKNOWN')
})

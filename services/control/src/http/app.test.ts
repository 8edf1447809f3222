import t from 'tap'
import type { Answer, CallInit, TestControl } from '../testing.ts'
import { codeOf, detailsOf, EXAMPLE_TOPOLOGY, startTestControl } from '../testing.ts'
import { exampleReport } from '../testing-report.ts'

interface Operation {
  readonly summary?: string
  readonly 'x-cellway-roles'?: readonly string[]
  readonly security?: readonly unknown[]
  readonly responses: Record<string, { content?: Record<string, { schema: object }> }>
}

const ROLES = ['viewer', 'operator', 'approver', 'admin', 'agent'] as const

/** Every call with a request that its schema takes, and who may make it: written down by hand, on purpose. */
const CALLS: readonly { call: string; init?: CallInit; path?: string; allowed: string; status: number }[] = [
  { call: 'GET /v1/status', allowed: 'viewer operator approver admin', status: 200 },
  { call: 'GET /v1/members', allowed: 'viewer operator approver admin', status: 200 },
  { call: 'GET /v1/topology', allowed: 'viewer operator approver admin', status: 200 },
  {
    call: 'PUT /v1/topology',
    init: { body: { text: EXAMPLE_TOPOLOGY, reason: 'again' }, headers: { 'if-match': '"1"' } },
    allowed: 'admin',
    status: 200
  },
  { call: 'POST /v1/topology/validate', init: { body: { text: EXAMPLE_TOPOLOGY } }, allowed: 'viewer operator approver admin', status: 200 },
  { call: 'POST /v1/topology/diff', init: { body: { text: EXAMPLE_TOPOLOGY } }, allowed: 'viewer operator approver admin', status: 200 },
  { call: 'GET /v1/snapshot', allowed: 'viewer operator approver admin agent', status: 200 },
  {
    call: 'GET /v1/watch',
    path: '/v1/watch?have=0&member=m&kind=gateway&cell=beijing',
    allowed: 'viewer operator approver admin agent',
    status: 200
  },
  {
    call: 'POST /v1/acks',
    init: { body: { member: 'm', kind: 'gateway', cell: 'beijing', version: 1, checksum: 'a'.repeat(64) } },
    allowed: 'agent admin',
    status: 200
  },
  {
    call: 'POST /v1/route/explain',
    init: { body: { method: 'GET', url: '/api/orders/1', headers: { 'x-user-id': '7' } } },
    allowed: 'viewer operator approver admin',
    status: 200
  },
  { call: 'GET /v1/buckets', path: '/v1/buckets?space=areas&limit=1', allowed: 'viewer operator approver admin', status: 200 },
  {
    call: 'POST /v1/ledger/changes',
    init: { body: { reason: 'r', changes: [{ space: 'areas', bucket: 'bj', expectedEpoch: 99, owner: 'beijing', state: { kind: 'owned' } }] } },
    allowed: 'operator admin',
    status: 409
  },
  {
    call: 'GET /v1/cells/{cell}/replicator/status',
    path: '/v1/cells/beijing/replicator/status',
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'GET /v1/cells/{cell}/replicator/conflicts',
    path: '/v1/cells/beijing/replicator/conflicts?state=open&limit=3',
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'GET /v1/cells/{cell}/replicator/conflicts/{id}',
    path: '/v1/cells/beijing/replicator/conflicts/7',
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'GET /v1/cells/{cell}/replicator/schema',
    path: '/v1/cells/beijing/replicator/schema',
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'GET /v1/cells/{cell}/replicator/preflight',
    path: '/v1/cells/beijing/replicator/preflight',
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'GET /v1/cells/{cell}/replicator/grants',
    path: '/v1/cells/beijing/replicator/grants',
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'GET /v1/cells/{cell}/replicator/verification',
    path: '/v1/cells/beijing/replicator/verification',
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'GET /v1/cells/{cell}/replicator/bootstrap',
    path: '/v1/cells/beijing/replicator/bootstrap',
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/streams/{source}/pause',
    path: '/v1/cells/beijing/replicator/streams/shanghai/pause',
    init: { body: { reason: 'r' } },
    allowed: 'operator admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/streams/{source}/resume',
    path: '/v1/cells/beijing/replicator/streams/shanghai/resume',
    init: { body: { reason: 'r' } },
    allowed: 'operator admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/streams/{source}/skip',
    path: '/v1/cells/beijing/replicator/streams/shanghai/skip',
    init: { body: { gtid: '0-1-5', reason: 'r' } },
    allowed: 'operator admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/conflicts/{id}/resolve',
    path: '/v1/cells/beijing/replicator/conflicts/7/resolve',
    init: { body: { resolution: 'keep', reason: 'r' } },
    allowed: 'operator admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/verification',
    path: '/v1/cells/beijing/replicator/verification',
    init: { body: { table: 'shop.orders', repair: false, reason: 'r' } },
    allowed: 'operator admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/bootstrap',
    path: '/v1/cells/beijing/replicator/bootstrap',
    init: { body: { from: 'shanghai', reason: 'r' } },
    allowed: 'operator admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/schema/compare',
    path: '/v1/cells/beijing/replicator/schema/compare',
    init: { body: { cell: 'shanghai', tables: [] } },
    allowed: 'viewer operator approver admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/bootstrap/cancel',
    path: '/v1/cells/beijing/replicator/bootstrap/cancel',
    init: { body: { reason: 'r' } },
    allowed: 'operator admin',
    status: 503
  },
  {
    call: 'POST /v1/cells/{cell}/replicator/question',
    path: '/v1/cells/beijing/replicator/question',
    init: { body: { question: { ask: 'positions' } } },
    allowed: 'agent admin',
    status: 503
  },
  { call: 'POST /v1/reports', init: { body: exampleReport('beijing') }, allowed: 'agent admin', status: 200 },
  { call: 'GET /v1/tokens', allowed: 'admin', status: 200 },
  { call: 'POST /v1/tokens', init: { body: { name: 'x', role: 'viewer' } }, allowed: 'admin', status: 201 },
  { call: 'DELETE /v1/tokens/{id}', path: '/v1/tokens/nobody', allowed: 'admin', status: 404 },
  { call: 'GET /v1/audit', path: '/v1/audit?after=0&limit=2', allowed: 'viewer operator approver admin', status: 200 },
  { call: 'GET /v1/audit/verify', allowed: 'viewer operator approver admin', status: 200 }
]
const PUBLIC = ['GET /health/live', 'GET /health/ready', 'GET /openapi.json']

async function operations({ call }: TestControl): Promise<Map<string, Operation>> {
  const { body } = await call('GET', '/openapi.json', { token: null })
  const paths = body.paths as Record<string, Record<string, Operation>>
  return new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const)
    )
  )
}

t.test('the OpenAPI document has every call, with summary, roles and answers', async (t) => {
  await using test = await startTestControl()
  const found = await operations(test)
  t.same([...found.keys()].sort(), [...CALLS.map(({ call }) => call), ...PUBLIC].sort(), 'the calls in this file are all calls')
  const printed = test.control.app.printRoutes({ commonPrefix: false })
  for (const call of found.keys()) t.ok(printed.includes(String(call.split('/').at(-1)).replace('{id}', ':id')), `${call} is a route`)
  for (const [call, operation] of found) {
    t.ok((operation.summary ?? '').length > 10, `${call} has a summary`)
    t.ok(Array.isArray(operation['x-cellway-roles']), `${call} says who may make it`)
    t.equal(operation['x-cellway-roles']?.length === 0, PUBLIC.includes(call), `${call} is public or not, as written here`)
    t.equal(operation.security?.length === 0, PUBLIC.includes(call), `${call} asks for a token`)
    const success = Object.keys(operation.responses).filter((status) => status.startsWith('2'))
    t.equal(success.length, 1, `${call} describes its success`)
    t.ok(operation.responses['4XX'] && operation.responses['5XX'], `${call} describes its failures`)
  }
})

t.test('roles: every call with every role', async (t) => {
  await using test = await startTestControl()
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  const tokens = new Map<string, string>()
  for (const role of ROLES) tokens.set(role, await test.token(role, role === 'agent' ? 'beijing' : undefined))
  for (const { call, init = {}, path, allowed, status } of CALLS) {
    const [method = '', url = ''] = call.split(' ')
    for (const role of ROLES) {
      const answer = await statusOf(test, method, path ?? url, { ...init, token: tokens.get(role) ?? null })
      const wanted = allowed.split(' ').includes(role) ? status : 403
      t.equal(answer.status, wanted, `${role}: ${call} ${answer.code}`)
    }
    t.equal((await statusOf(test, method, path ?? url, { ...init, token: null })).code, 'CTL_TOKEN_MISSING', `nobody: ${call}`)
    t.equal(
      (await statusOf(test, method, path ?? url, { ...init, token: `cwt_abc_${'x'.repeat(43)}` })).code,
      'CTL_TOKEN_INVALID',
      `stranger: ${call}`
    )
  }
})

t.test('an agent speaks for its own cell only', async (t) => {
  await using test = await startTestControl()
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  const token = await test.token('agent', 'shanghai')
  t.equal((await statusOf(test, 'GET', '/v1/watch?have=0&member=m&kind=gateway&cell=beijing', { token })).code, 'CTL_WRONG_CELL')
  const body = { member: 'm', kind: 'gateway', cell: 'beijing', version: 1, checksum: 'a'.repeat(64) }
  t.equal(codeOf(await test.call('POST', '/v1/acks', { token, body })), 'CTL_WRONG_CELL')
  t.equal((await test.call('POST', '/v1/acks', { token, body: { ...body, cell: 'shanghai' } })).status, 200)
  t.match((await test.call('GET', '/v1/members')).body, { members: [{ member: 'm', cell: 'shanghai', state: 'diverged' }] })
})

t.test('answers fit their schemas', async (t) => {
  await using test = await startTestControl()
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  await test.call('POST', '/v1/acks', { body: { member: 'm', kind: 'gateway', cell: 'beijing', version: 1, checksum: 'a'.repeat(64) } })
  await test.call('POST', '/v1/ledger/changes', {
    body: { reason: 'r', changes: [{ space: 'areas', bucket: 'bj', expectedEpoch: 1, owner: 'beijing', state: { kind: 'frozen', reason: 'why' } }] }
  })
  await test.call('POST', '/v1/tokens', { body: { name: 'a', role: 'agent', cell: 'beijing', expiresInSeconds: 60 } })
  const found = await operations(test)
  for (const { call, init = {}, path } of CALLS.filter((row) => row.call !== 'GET /v1/watch')) {
    const [method = '', url = ''] = call.split(' ')
    const answer = await test.call(method, path ?? url, init)
    const responses = found.get(call)?.responses ?? {}
    const schema = (responses[String(answer.status)] ?? responses[`${Math.floor(answer.status / 100)}XX`])?.content?.['application/json']?.schema
    const problems = schema === undefined ? ['no schema'] : validate(test, schema, answer.body)
    t.same(problems, [], `${call} → ${answer.status}`)
  }
  t.not(validate(test, { type: 'object', properties: {}, additionalProperties: false }, { extra: 1 }).length, 0, 'this check can fail')
})

t.test('what is not understood is refused with every finding', async (t) => {
  await using test = await startTestControl()
  const wrong = await test.call('POST', '/v1/ledger/changes', {
    body: { changes: [{ space: 'UPPER', bucket: 1, expectedEpoch: '1', owner: 'x', state: { kind: 'other' } }], extra: 1 }
  })
  t.equal(codeOf(wrong), 'CTL_REQUEST_INVALID')
  const paths = (detailsOf(wrong).problems as { path: string }[]).map(({ path }) => path)
  for (const path of ['body', 'body.extra', 'body.changes[0].space', 'body.changes[0].bucket', 'body.changes[0].expectedEpoch'])
    t.ok(paths.includes(path), path)
  const rows: [string, string, string, CallInit, number, string][] = [
    ['not JSON', 'POST', '/v1/topology/validate', { body: '{"text":' }, 400, 'CTL_REQUEST_INVALID'],
    ['prototype key', 'POST', '/v1/topology/validate', { body: '{"text":"x","__proto__":{"admin":true}}' }, 400, 'CTL_REQUEST_INVALID'],
    [
      'constructor key',
      'POST',
      '/v1/topology/validate',
      { body: '{"text":"x","constructor":{"prototype":{"admin":true}}}' },
      400,
      'CTL_REQUEST_INVALID'
    ],
    ['text/plain', 'POST', '/v1/topology/validate', { body: 'x', headers: { 'content-type': 'text/plain' } }, 415, 'CTL_MEDIA_TYPE_UNKNOWN'],
    ['too long', 'POST', '/v1/tokens', { body: { name: 'x'.repeat(70_000), role: 'viewer' } }, 413, 'CTL_BODY_TOO_LARGE'],
    ['unknown call', 'GET', '/v1/nothing', {}, 404, 'CTL_CALL_UNKNOWN'],
    ['unknown query', 'GET', '/v1/buckets?cell=x', {}, 400, 'CTL_REQUEST_INVALID'],
    ['doubled query', 'GET', '/v1/buckets?space=a&space=b', {}, 400, 'CTL_REQUEST_INVALID'],
    ['no topology', 'GET', '/v1/snapshot', {}, 404, 'CTL_NO_TOPOLOGY'],
    ['agent without cell', 'POST', '/v1/tokens', { body: { name: 'x', role: 'agent' } }, 400, 'CTL_REQUEST_INVALID'],
    ['viewer with cell', 'POST', '/v1/tokens', { body: { name: 'x', role: 'viewer', cell: 'beijing' } }, 400, 'CTL_REQUEST_INVALID'],
    ['token in the query', 'GET', `/v1/status?access_token=${test.adminToken}`, { token: null }, 401, 'CTL_TOKEN_MISSING']
  ]
  for (const [name, method, path, init, status, code] of rows) {
    const answer = await test.call(method, path, init)
    t.match({ status: answer.status, code: codeOf(answer) }, { status, code }, name)
  }
})

t.test('every answer has the security headers; nothing names the software', async (t) => {
  await using test = await startTestControl()
  for (const path of ['/health/live', '/v1/status', '/nothing']) {
    const { headers } = await test.call('GET', path, { token: null })
    t.match(
      Object.fromEntries(headers),
      { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer' },
      path
    )
    t.match(headers.get('content-security-policy'), /default-src 'none'/)
    t.equal(headers.get('server'), null)
    t.equal(headers.get('x-powered-by'), null)
  }
})

t.test('an unexpected failure says nothing about itself', async (t) => {
  const { createMemoryStore } = await import('@cellway/store')
  const memory = createMemoryStore()
  const store = {
    ...memory,
    list: async (prefix: string, options: { limit: number }) => {
      if (prefix.startsWith('audit/')) throw new Error('secret path /var/lib/x')
      return memory.list(prefix, options)
    }
  }
  await using test = await startTestControl({ store })
  const answer = await test.call('GET', '/v1/audit')
  t.equal(answer.status, 500)
  t.notMatch(JSON.stringify(answer.body), /secret|var/)
  t.match(answer.body, { error: { code: 'CTL_INTERNAL', retry: 'later', details: { requestId: answer.headers.get('x-request-id') } } })
})

function validate({ control }: TestControl, schema: object, body: unknown): unknown[] {
  // The compiler that the service itself uses for requests.
  const check = control.app.validatorCompiler?.({ schema: schema as never, method: 'GET', url: '/', httpPart: 'body' })
  if (check === undefined) return ['no validator']
  const result = check(body) as boolean
  return result === true ? [] : ((check as unknown as { errors: unknown[] }).errors ?? ['?'])
}

/** Without reading the body to its end: the watch has none. */
async function statusOf(
  { control }: TestControl,
  method: string,
  path: string,
  { body, headers = {}, token }: CallInit
): Promise<{ status: number; code: unknown }> {
  const stop = new AbortController()
  const response = await fetch(control.url + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: stop.signal
  })
  const code = response.ok
    ? undefined
    : codeOf({ status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] })
  stop.abort()
  return { status: response.status, code }
}

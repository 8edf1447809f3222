import { createMemoryStore } from '@cellway/store'
import t from 'tap'
import { codeOf, detailsOf, EXAMPLE_TOPOLOGY, startTestControl } from './testing.ts'

const freeze = (bucket: string, expectedEpoch: number) => ({
  space: 'users',
  bucket,
  expectedEpoch,
  owner: 'beijing',
  state: { kind: 'frozen', reason: 'test' }
})

t.test('If-Match decides about a topology', async (t) => {
  await using test = await startTestControl()
  const put = (ifMatch: string | undefined, text = EXAMPLE_TOPOLOGY) =>
    test.call('PUT', '/v1/topology', { body: { text, reason: 'r' }, headers: ifMatch === undefined ? {} : { 'if-match': ifMatch } })
  t.match(codeOf(await put(undefined)), 'CTL_PRECONDITION_MISSING')
  t.equal((await put('"1"')).status, 412)
  t.match((await put('*')).body, { version: 1, changed: true })
  t.match((await put('"1"')).body, { version: 1, changed: false }, 'the same text again changes nothing')
  t.equal(codeOf(await put('*')), 'CTL_VERSION_STALE', 'the star never overwrites')
  t.equal(codeOf(await put('"0"')), 'CTL_VERSION_STALE')
  const current = await test.call('GET', '/v1/topology')
  t.equal(current.headers.get('etag'), '"1"')
  t.equal(current.body.source, EXAMPLE_TOPOLOGY)
  await test.call('POST', '/v1/ledger/changes', { body: { reason: 'r', changes: [freeze('1', 1)] } })
  t.equal((await test.call('GET', '/v1/topology')).headers.get('etag'), '"1"', 'a change of the ledger is not one of the topology')
  t.match((await put('"1"', EXAMPLE_TOPOLOGY.replace('weight: 2', 'weight: 3'))).body, { version: 3, changed: true })
  t.match(
    (await test.call('GET', '/v1/buckets?space=users&state=frozen')).body,
    { version: 3, total: 1, buckets: [{ bucket: '1', epoch: 2 }] },
    'the ledger stays'
  )
})

t.test('a command under one idempotency key happens once', async (t) => {
  await using test = await startTestControl()
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  const send = (key: string, bucket = '1') =>
    test.call('POST', '/v1/ledger/changes', { body: { reason: 'r', changes: [freeze(bucket, 1)] }, headers: { 'idempotency-key': key } })
  const answers = await Promise.all([send('k1'), send('k1'), send('k1')])
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 200]
  )
  t.same(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1, 'all get the same answer')
  t.equal(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true').length, 2)
  t.equal(codeOf(await send('k1', '2')), 'CTL_IDEMPOTENCY_MISMATCH')
  t.equal(codeOf(await send('k2')), 'CTL_EPOCH_CONFLICT', 'another key is another command')
  const token = await test.token('operator')
  const other = await test.call('POST', '/v1/ledger/changes', {
    token,
    body: { reason: 'r', changes: [freeze('2', 1)] },
    headers: { 'idempotency-key': 'k1' }
  })
  t.equal(other.status, 200, 'keys belong to the token')
  t.match((await test.call('GET', '/v1/status')).body, { version: 3 })

  const create = () => test.call('POST', '/v1/tokens', { body: { name: 'x', role: 'viewer' }, headers: { 'idempotency-key': 'k3' } })
  const [first, second] = [await create(), await create()]
  t.match(first.body.token, /^cwt_/)
  t.equal(second.body.token, null, 'a secret is shown once')
  t.equal(second.body.id, first.body.id)
  let stored = ''
  for (const entry of (await test.store.list('', { limit: 1000 })).entries) stored += entry.value
  t.notOk(stored.includes(String(first.body.token)), 'the secret is nowhere in the store')
  t.notOk(stored.includes(String(first.body.token).split('_')[2] ?? 'none'))
})

t.test('the audit log tells who did what and why, refused attempts too', async (t) => {
  await using test = await startTestControl()
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  const viewer = await test.token('viewer')
  await test.call('POST', '/v1/ledger/changes', { body: { reason: 'maintenance', changes: [freeze('1', 1)] } })
  await test.call('POST', '/v1/ledger/changes', { body: { reason: 'too late', changes: [freeze('1', 1)] } })
  await test.call('POST', '/v1/ledger/changes', { token: viewer, body: { reason: 'curious', changes: [freeze('2', 1)] } })
  await test.call('POST', '/v1/ledger/changes', { body: { reason: 'wrong', changes: [] } })
  await test.call('POST', '/v1/ledger/changes', { token: null, body: { reason: 'stranger', changes: [freeze('2', 1)] } })
  await test.call('PUT', '/v1/topology', { body: { text: 'nonsense', reason: 'oops' }, headers: { 'if-match': '"1"' } })
  const { body } = await test.call('GET', '/v1/audit')
  t.match(body.records, [
    { seq: 1, action: 'token.create', actor: { kind: 'system' }, outcome: 'done' },
    { seq: 2, action: 'topology.apply', outcome: 'done', before: null, after: { version: 1, bucketsAdded: 68 } },
    { seq: 3, action: 'token.create', outcome: 'done', after: { role: 'viewer' } },
    { seq: 4, action: 'ledger.change', outcome: 'done', reason: 'maintenance', target: 'users/1', before: [{ epoch: 1 }], after: [{ epoch: 2 }] },
    { seq: 5, action: 'ledger.change', outcome: 'refused', reason: 'too late', after: null, error: { code: 'CTL_EPOCH_CONFLICT' } },
    { seq: 6, action: 'ledger.change', outcome: 'refused', reason: null, actor: { role: 'viewer' }, error: { code: 'CTL_FORBIDDEN' } },
    { seq: 7, action: 'ledger.change', outcome: 'refused', reason: 'wrong', error: { code: 'CTL_REQUEST_INVALID' } },
    { seq: 8, action: 'topology.apply', outcome: 'refused', reason: 'oops', error: { code: 'CTL_TOPOLOGY_INVALID' } }
  ])
  t.equal((body.records as unknown[]).length, 8, 'strangers do not get to write')
  t.match((await test.call('GET', '/v1/audit?after=2&limit=3')).body, { records: [{ seq: 3 }, { seq: 4 }, { seq: 5 }], next: 5 })
  t.match((await test.call('GET', '/v1/audit?after=7&limit=3')).body, { records: [{ seq: 8 }], next: null })
  t.match((await test.call('GET', '/v1/audit/verify')).body, { ok: true, records: 8, head: { seq: 8 } })
})

t.test('verify names the first broken link, whatever was done to the store', async (t) => {
  const rows: [string, { puts?: (records: Map<string, string>) => { key: string; value: string }[]; deletes?: string[] }, object][] = [
    [
      'a changed reason',
      { puts: (records) => [{ key: key(3), value: (records.get(key(3)) ?? '').replace('viewer', 'admin') }] },
      { records: 2, broken: { seq: 3 } }
    ],
    ['a removed record', { deletes: [key(2)] }, { records: 1, broken: { seq: 2 } }],
    ['a removed end', { deletes: [key(4)] }, { records: 3, broken: { seq: 4 } }],
    ['an unreadable record', { puts: () => [{ key: key(2), value: '{' }] }, { records: 1, broken: { seq: 2 } }],
    ['a removed head', { deletes: ['audit-head'] }, { records: 0, broken: { seq: 1 } }]
  ]
  for (const [name, { puts = () => [], deletes = [] }, wanted] of rows) {
    const store = createMemoryStore()
    await using test = await startTestControl({ store })
    await test.apply(EXAMPLE_TOPOLOGY, 0)
    await test.token('viewer')
    await test.token('operator')
    const records = new Map((await store.list('audit/', { limit: 10 })).entries.map((entry) => [entry.key, entry.value]))
    await store.commit({ puts: puts(records), deletes })
    t.match((await test.call('GET', '/v1/audit/verify')).body, { ok: false, ...wanted }, name)
  }
  function key(seq: number): string {
    return `audit/${String(seq).padStart(16, '0')}`
  }
})

t.test('refused attempts of one token fill the log only so fast', async (t) => {
  await using test = await startTestControl()
  const token = await test.token('viewer')
  for (let at = 0; at < 70; at += 1) await test.call('DELETE', '/v1/tokens/x', { token })
  t.match((await test.call('GET', '/v1/audit/verify')).body, { ok: true, records: 2 + 60 })
  const metrics = await (await fetch(`${test.control.metricsUrl}/metrics`)).text()
  t.match(metrics, /cellway_control_audit_suppressed_total 10\b/)
})

t.test('tokens expire, are revoked, and the last admin stays', async (t) => {
  await using test = await startTestControl()
  const created = await test.call('POST', '/v1/tokens', { body: { name: 'short', role: 'viewer', expiresInSeconds: 1 } })
  const token = String(created.body.token)
  t.equal((await test.call('GET', '/v1/status', { token })).status, 200)
  const deadlineMs = Date.parse(String(created.body.expiresAt))
  while (Date.now() <= deadlineMs) await new Promise((resolve) => setTimeout(resolve, deadlineMs - Date.now() + 1))
  t.equal(codeOf(await test.call('GET', '/v1/status', { token })), 'CTL_TOKEN_INVALID', 'expired')
  const revoked = await test.token('admin')
  t.equal((await test.call('DELETE', `/v1/tokens/${revoked.split('_')[1]}?reason=left`)).status, 200)
  t.equal(codeOf(await test.call('GET', '/v1/status', { token: revoked })), 'CTL_TOKEN_INVALID', 'revoked')
  t.equal(codeOf(await test.call('DELETE', `/v1/tokens/${test.adminToken.split('_')[1]}`)), 'CTL_LAST_ADMIN')
  const list = await test.call('GET', '/v1/tokens')
  t.notMatch(JSON.stringify(list.body), /"hash"|"token"/)
})

const BAD: [string, string | ((text: string) => string), RegExp[]][] = [
  ['bad YAML', 'cells: [', [/.*/]],
  ['unknown field', (text) => text.replace('weight: 2', 'wieght: 2'), [/wieght/]],
  [
    'unknown cell',
    (text) => text.replace('{bj: beijing, sh: shanghai}', '{bj: beijing, sh: xian}').replace('primary: beijing', 'primary: nowhere'),
    [/xian/, /nowhere/]
  ],
  ['bucket count changed', (text) => text.replace('buckets: 64', 'buckets: 128'), [/spaces\.users/]],
  ['overlapping values', (text) => text.replace('[bj, sh]', '[bj, sh, bj]'), [/bj/]],
  ['duplicate pin', (text) => text.replace('{"vip-42": shanghai}', '{"vip-42": shanghai, "vip-42": beijing}'), [/line 11.*twice/]],
  ['literal secret', (text) => text.replace('weight: 2,', 'weight: 2, stores: {mysql: {password: "hunter2"}},'), [/password/]],
  ['a removed space and a removed pin', (text) => text.replace(/ {2}areas.*\n/, '').replace(/pins:\n.*\n/, ''), [/areas/, /vip-42/]],
  [
    'a removed cell that owns buckets',
    (text) =>
      text
        .replace(/ {2}shanghai:.*\n/, '')
        .replace('sh: shanghai', 'sh: beijing')
        .replace('shanghai}', 'beijing}'),
    [/shanghai/]
  ],
  [
    'three problems at once',
    (text) => text.replace('weight: 2', 'weight: -2').replace('missing: reject', 'missing: maybe').replace('buckets: 64', 'buckets: 0'),
    [/weight/, /missing/, /buckets/]
  ]
]

t.test('a bad topology is refused with all problems, and the running snapshot stays', async (t) => {
  await using test = await startTestControl()
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  const before = await (await fetch(`${test.control.url}/v1/snapshot`, { headers: { authorization: `Bearer ${test.adminToken}` } })).text()
  for (const [name, change, mentions] of BAD) {
    const text = typeof change === 'string' ? change : change(EXAMPLE_TOPOLOGY)
    t.not(text, EXAMPLE_TOPOLOGY, `${name}: the text is another one`)
    const answer = await test.apply(text, 1)
    t.equal(answer.status, 422, name)
    t.equal(codeOf(answer), 'CTL_TOPOLOGY_INVALID', name)
    const problems = JSON.stringify(detailsOf(answer).problems)
    for (const mention of mentions) t.match(problems, mention, name)
    const validated = await test.call('POST', '/v1/topology/validate', { body: { text } })
    t.match(validated.body, { ok: false, problems: detailsOf(answer).problems }, `${name}: validate says the same`)
    t.equal(codeOf(await test.call('POST', '/v1/topology/diff', { body: { text } })), 'CTL_TOPOLOGY_INVALID', name)
  }
  const after = await (await fetch(`${test.control.url}/v1/snapshot`, { headers: { authorization: `Bearer ${test.adminToken}` } })).text()
  t.equal(after, before)
})

t.test('two control processes on one store: one winner per epoch, one chain', async (t) => {
  const store = createMemoryStore()
  await using one = await startTestControl({ store })
  await one.apply(EXAMPLE_TOPOLOGY, 0)
  // The second shares the store, as with etcd; it must not dispose of it for the first.
  await using two = await startTestControl({ store: { ...store, [Symbol.asyncDispose]: async () => undefined } })
  const token = one.adminToken
  for (let epoch = 1; epoch <= 20; epoch += 1) {
    const answers = await Promise.all(
      [one, two, one, two].map((test) =>
        test.call('POST', '/v1/ledger/changes', {
          token,
          body: { reason: 'race', changes: [{ space: 'areas', bucket: 'bj', expectedEpoch: epoch, owner: 'beijing', state: { kind: 'owned' } }] }
        })
      )
    )
    const codes = answers.map((answer) => codeOf(answer) ?? 'won').sort()
    if (codes.join() !== 'CTL_EPOCH_CONFLICT,CTL_EPOCH_CONFLICT,CTL_EPOCH_CONFLICT,won') t.fail(`epoch ${epoch}: ${codes}`)
  }
  t.match((await two.call('GET', '/v1/buckets?space=areas', { token })).body, { version: 21, buckets: [{ bucket: 'bj', epoch: 21 }, { epoch: 1 }] })
  t.match((await two.call('GET', '/v1/audit/verify', { token })).body, { ok: true, records: 2 + 80 })
})

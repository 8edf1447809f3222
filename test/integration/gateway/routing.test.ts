import { encodeSnapshot } from '@cellway/topology'
import t from 'tap'
import { bucketAt, contextAt, headerValues, startWorld, untilAdopted, userAt, type World } from './fixture.ts'
import { until } from './until.ts'

const CELLS = ['beijing', 'shanghai', 'shenzhen']

const world = await startWorld({
  cells: CELLS,
  config: { hold: { settleMsMax: 1_000 } },
  spaces: {
    areas: { kind: 'list', values: ['bj', 'sh', 'gd'], assign: { bj: 'beijing', sh: 'shanghai', gd: 'shenzhen' } },
    business: { kind: 'list', values: ['order', 'community'], assign: { order: 'shanghai', community: 'shenzhen' } },
    accounts: { kind: 'hash', buckets: 8, primary: 'shenzhen' }
  },
  routes: [
    { name: 'shops', match: { path: '/shops/**' }, space: 'areas', key: [{ header: 'x-area' }], missing: 'reject' },
    { name: 'community', match: { path: '/community/**' }, space: 'business', key: [{ const: 'community' }] },
    { name: 'to-primary', match: { path: '/primary/**' }, space: 'accounts', key: [{ header: 'x-account' }], missing: 'primary' },
    { name: 'nearest', match: { path: '/nearest/**' }, space: 'accounts', key: [{ header: 'x-account' }], missing: 'nearest-read' },
    { name: 'posts', match: { path: '/searches/**' }, space: 'users', key: [{ header: 'x-user-id' }], missing: 'reject', writes: ['PUT'] }
  ]
})
t.teardown(() => world[Symbol.asyncDispose]())

const total = (taken: ReturnType<World['take']>): number => Object.values(taken).flat().length

t.test('the same user reaches the same cell through every gateway, and every cell gets users', async (t) => {
  const served = new Set<string>()
  for (let user = 0; user < 24; user++) {
    const headers = { 'x-user-id': String(10_000 + user) }
    const answers = await Promise.all(world.cells().map((cell) => cell.send('/users/me', { headers })))
    const cells = new Set(answers.map((answer) => answer.json.cell))
    t.equal(cells.size, 1, `user ${user} is served by one cell`)
    for (const answer of answers) t.equal(answer.servedBy, answer.json.cell, 'the answer names the cell that served it')
    served.add(answers[0]?.json.cell)
  }
  t.equal(served.size, CELLS.length, 'the users are spread over all cells')
  t.equal(total(world.take()), 24 * 3, 'each request reached an app exactly once')
})

t.test("a wrong cell's gateway costs one hop, and the app sees one request in its own cell", async (t) => {
  const answer = await world.cell('beijing').send('/users/me?x=1', { method: 'POST', headers: userAt('shanghai'), body: 'hello' })
  t.equal(answer.status, 200)
  t.equal(answer.servedBy, 'shanghai')
  const { beijing, shanghai, shenzhen } = world.take()
  t.same([beijing?.length, shanghai?.length, shenzhen?.length], [0, 1, 0])
  t.equal(shanghai?.[0]?.url, '/users/me?x=1')
  t.equal(shanghai?.[0]?.body.toString(), 'hello')
})

t.test('the app gets each context header once, signed, with the bucket, the epoch and the key', async (t) => {
  for (const entry of ['beijing', 'shanghai']) {
    await world.cell(entry).send('/users/me', { headers: { ...userAt('shanghai'), 'x-cellway-key': 'forged', X_Cellway_Bucket: '1' } })
    const { shanghai = [] } = world.take()
    t.equal(shanghai.length, 1)
    const hop = { count: 0, from: undefined }
    const want = { cell: 'shanghai', space: 'users', bucket: bucketAt('shanghai'), epoch: 1, key: 'at-shanghai', hop }
    t.same(contextAt(shanghai[0], world.signingKey), want, `through ${entry}`)
    t.same(headerValues(shanghai[0], 'host').length, 1)
    t.same(headerValues(shanghai[0], 'x-forwarded-for'), ['127.0.0.1'], 'the client address survives the hop')
  }
})

t.test('a key outside ASCII is percent-encoded in its header and signed in that form', async (t) => {
  const key = '张伟 (100%)'
  const answer = await world.cell('beijing').send('/users/me', { headers: { 'x-user-id': Buffer.from(key, 'utf8').toString('latin1') } })
  t.equal(answer.status, 200)
  const [seen] = Object.values(world.take()).flat()
  t.equal(headerValues(seen, 'x-cellway-key')[0], '%E5%BC%A0%E4%BC%9F%20%28100%25%29')
  t.equal(contextAt(seen, world.signingKey).key, key)
})

t.test('list spaces route by their value, and a value that the space does not know is refused', async (t) => {
  for (const [area, cell] of [
    ['bj', 'beijing'],
    ['sh', 'shanghai'],
    ['gd', 'shenzhen']
  ] as const) {
    const answer = await world.cell('beijing').send('/shops/1', { headers: { 'x-area': area } })
    t.equal(answer.json.cell, cell)
    t.equal(contextAt(world.take()[cell]?.[0], world.signingKey).bucket, area)
  }
  const unknown = await world.cell('beijing').send('/shops/1', { headers: { 'x-area': 'mars' } })
  t.same([unknown.status, unknown.code], [400, 'TOPO_VALUE_UNKNOWN'])
  const constant = await world.cell('beijing').send('/community/posts')
  t.equal(constant.json.cell, 'shenzhen', 'a constant is a key like any other')
  t.equal(total(world.take()), 1)
})

t.test('single space: writes go to the primary, reads stay where they come in', async (t) => {
  const write = await world.cell('shanghai').send('/products/7', { method: 'PUT', body: '{}' })
  t.equal(write.json.cell, 'beijing')
  const read = await world.cell('shanghai').send('/products/7')
  t.equal(read.json.cell, 'shanghai')
  const context = contextAt(world.take().shanghai?.[0], world.signingKey)
  t.same([context.space, context.bucket, context.key], ['global', 'all', undefined])
})

t.test('read-your-writes: the cookie of a write sends reads to the owner until its time is over', async (t) => {
  const write = await world.cell('shanghai').send('/products/7', { method: 'POST', body: '{}' })
  const cookies = write.headers['set-cookie'] ?? []
  t.equal(cookies.length, 1, 'one note, although two gateways saw the answer')
  const [cookie = ''] = (cookies[0] ?? '').split(';')
  t.match(cookies[0], /^cellway-ryw-global=\d+; Max-Age=2; Path=\/; HttpOnly; SameSite=Lax$/)
  const read = await world.cell('shanghai').send('/products/7', { headers: { cookie } })
  t.equal(read.json.cell, 'beijing', 'within the window the owner answers')
  const until = Number(cookie.split('=')[1])
  const late = await world.cell('shanghai').send('/products/7', { headers: { cookie: `cellway-ryw-global=${until - 10_000}` } })
  t.equal(late.json.cell, 'shanghai', 'after it the local copy does')
  const forged = await world.cell('shanghai').send('/products/7', { headers: { cookie: `cellway-ryw-global=${until + 3_600_000}` } })
  t.equal(forged.json.cell, 'shanghai', 'a date beyond the window is not ours')
  const plainRead = await world.cell('shanghai').send('/products/7')
  t.equal(plainRead.headers['set-cookie'], undefined, 'a read leaves no note')
  world.take()
})

t.test('a local route stays in the cell, without a bucket in the context', async (t) => {
  const answer = await world.cell('shenzhen').send('/local/cache')
  t.equal(answer.json.cell, 'shenzhen')
  const context = contextAt(world.take().shenzhen?.[0], world.signingKey)
  t.same([context.cell, context.space, context.bucket, context.epoch], ['shenzhen', undefined, undefined, undefined])
})

t.test('missing key: refused, or to the primary, or a read stays near, as the route says', async (t) => {
  const rejected = await world.cell('beijing').send('/users/me')
  t.same([rejected.status, rejected.code], [400, 'TOPO_KEY_MISSING'])
  const primary = await world.cell('beijing').send('/primary/x', { method: 'POST', body: 'x' })
  t.equal(primary.json.cell, 'shenzhen')
  const near = await world.cell('shanghai').send('/nearest/x')
  t.equal(near.json.cell, 'shanghai')
  const nearWrite = await world.cell('shanghai').send('/nearest/x', { method: 'POST', body: 'x' })
  t.same([nearWrite.status, nearWrite.code], [400, 'TOPO_KEY_MISSING'], 'a write is never guessed')
  const nowhere = await world.cell('shanghai').send('/nowhere')
  t.same([nowhere.status, nowhere.code], [404, 'TOPO_NO_ROUTE'])
  t.equal(total(world.take()), 2)
})

t.test('keys that are ambiguous or have two spellings are refused before anything is sent', async (t) => {
  const twice = await world.cell('beijing').send('/users/me', { headers: { 'x-user-id': ['1', '2'] } })
  t.same([twice.status, twice.code], [400, 'TOPO_KEY_AMBIGUOUS'])
  const zeros = await world.cell('beijing').send('/users/me', { headers: { 'x-user-id': '007' } })
  t.same([zeros.status, zeros.code], [400, 'TOPO_KEY_INVALID'])
  t.equal(total(world.take()), 0)
})

t.test('a forged hop is refused, and so is a real one made for another cell', async (t) => {
  const forged = await world.cell('beijing').send('/users/me', {
    headers: { ...userAt('beijing'), 'x-cellway-hop': '1;from=shanghai', 'x-cellway-sig': `v1;exp=9999999999;mac=${'A'.repeat(43)}` }
  })
  t.same([forged.status, forged.code], [400, 'GW_HOP_INVALID'])
  // What the app of shanghai was sent is signed, but it is no hop, and not for beijing.
  await world.cell('shanghai').send('/users/me', { headers: userAt('shanghai') })
  const [seen] = world.take().shanghai ?? []
  const replayed: Record<string, string> = {}
  for (const name of ['cell', 'space', 'bucket', 'epoch', 'key', 'hop', 'sig']) {
    replayed[`x-cellway-${name}`] = headerValues(seen, `x-cellway-${name}`)[0] ?? ''
  }
  const replay = await world.cell('beijing').send('/users/me', { headers: { ...userAt('beijing'), ...replayed } })
  t.same([replay.status, replay.code], [400, 'GW_HOP_INVALID'])
  t.equal(total(world.take()), 0)
})

t.test('two snapshots that disagree: each gateway thinks the other owns the bucket, and nothing loops', async (t) => {
  // beijing believes that shanghai owns it now; shanghai has not heard.
  await world.setBucket('users', bucketAt('beijing'), { owner: 'shanghai' }, 'beijing')
  const refusals = (cell: string): Promise<number> => world.cell(cell).gateway.metric('cellway_gateway_refusals_total', { code: 'TOPO_NOT_OWNER' })
  for (const method of ['GET', 'POST']) {
    const answer = await world.cell('beijing').send('/users/me', { method, headers: userAt('beijing') })
    t.same([answer.status, answer.code], [503, 'GW_OWNER_UNSETTLED'], `${method} ends after one hop and a wait`)
    t.equal(answer.headers['retry-after'], '1')
  }
  t.equal(await refusals('shanghai'), 2, 'one hop per request')
  const other = await world.cell('shanghai').send('/users/me', { method: 'POST', headers: userAt('beijing'), body: 'x' })
  t.same([other.status, other.code], [503, 'GW_OWNER_UNSETTLED'], 'the other way round too')
  t.equal(await refusals('beijing'), 1, 'one hop again')
  t.equal(total(world.take()), 0, 'no app saw any of it')
  await world.writeSnapshot(encodeSnapshot(world.snapshot()))
  await untilAdopted(world.cell('shanghai').gateway, world.snapshot().version)
  const healed = await world.cell('beijing').send('/users/me', { headers: userAt('beijing') })
  t.equal(healed.json.cell, 'shanghai')
  world.take()
})

t.test('a gateway that is behind waits for its snapshot when a hop proves that there is a newer one', async (t) => {
  await world.setBucket('users', bucketAt('shenzhen'), { owner: 'shanghai' }, 'shenzhen')
  const ahead = world.cell('shenzhen').send('/users/me', { method: 'POST', headers: userAt('shenzhen'), body: 'x' })
  const held = world.cell('shanghai').gateway
  await until('shanghai waits', async () => (await held.metric('cellway_gateway_held_requests')) === 1)
  await world.writeSnapshot(encodeSnapshot(world.snapshot()))
  t.equal((await ahead).json.cell, 'shanghai', 'no 503 while the snapshots travel')
  t.equal(total(world.take()), 1, 'and it was executed once')
})

t.test('a route can name its own writes', async (t) => {
  await world.setBucket('users', bucketAt('shanghai'), { state: { kind: 'frozen', reason: 'audit' } })
  const post = await world.cell('shanghai').send('/searches/1', { method: 'POST', headers: userAt('shanghai'), body: 'q' })
  t.equal(post.status, 200, 'POST only reads here, so a frozen bucket lets it through')
  const put = await world.cell('shanghai').send('/searches/1', { method: 'PUT', headers: userAt('shanghai'), body: 'q' })
  t.same([put.status, put.code], [503, 'TOPO_FROZEN'])
  t.equal(total(world.take()), 1)
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bucketOfKey, decodeBucketId } from '@cellway/topology'
import { Redis } from 'ioredis'
import { createConnection } from 'mysql2/promise'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { type App, areaContext, fetchAnswer, ROOT, signed, spawnApp, startStores, userContext } from './demo-app-fixture.ts'
import { freePort, type MariadbServer, type TestServer } from './servers.ts'

t.test('demo application', async (t) => {
  await using fixture = await startStores()
  await using app = await fixture.startApp()
  await t.test('health', (t) => healthIsIndependent(t, app))
  await t.test('context', (t) => contextIsRequired(t, app))
  await t.test('users', (t) => usersAndOrders(t, app))
  await t.test('pinned users', (t) => pinnedUsers(t, app))
  await t.test('carts', (t) => cartsAndCounters(t, app, fixture.redis))
  await t.test('areas and business types', (t) => areasAndPosts(t, app))
  await t.test('products', (t) => productsAndStock(t, app))
  await t.test('hostile input', (t) => hostileInput(t, app))
  await t.test('the fence in the database refuses', (t) => fenceRefusal(t, app, fixture.mysql))
  await t.test('long connections', (t) => longConnections(t, app))
})

t.test('SIGTERM drains: health turns first, long connections end, the process exits with 0', async (t) => {
  await using fixture = await startStores()
  await using app = await fixture.startApp()
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/api/live`)
  await once(socket, 'message')
  const events = await request(`${app.url}/api/events`)
  const exit = once(app.process, 'exit')
  const closed = once(socket, 'close')
  app.process.kill('SIGTERM')
  t.equal((await closed)[0], 1001)
  const health = await request(`${app.url}/health`)
  t.equal(health.statusCode, 503, 'the gateway sees it leave while the listener is still open')
  t.equal((await app.send('GET', '/api/users/7/counter', userContext('7'))).status, 200, 'a request on the way is still served')
  t.match(await events.body.text(), /event: tick/, 'the event stream ended')
  t.same(await exit, [0, null])
})

t.test('starts and refuses with 503 while its stores are down', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-app-'))
  await using app = await spawnApp(folder, await freePort(), await freePort())
  t.equal((await app.send('GET', '/health')).status, 200)
  const mysqlDown = await app.send('GET', '/api/users/7', userContext('7'))
  t.match(mysqlDown, { status: 503, body: { error: { code: 'APP_STORE_UNAVAILABLE', details: { store: 'mysql' } }, servedBy: 'beijing' } })
  const redisDown = await app.send('POST', '/api/users/7/counter', userContext('7'))
  t.match(redisDown, { status: 503, body: { error: { code: 'APP_STORE_UNAVAILABLE', details: { store: 'redis' } } } })
})

t.test('a bad configuration lists every problem', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-app-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'app.json')
  await writeFile(file, JSON.stringify({ cell: '', cellNumber: 16, port: 1, mysql: { port: 0, user: 'x', pasword: 'y' } }))
  const child = spawn(process.execPath, [join(ROOT, 'deploy/local/src/app/main.ts'), '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  t.not((await once(child, 'exit'))[0], 0)
  for (const problem of ['cell:', 'cellNumber:', 'mysql.port:', 'mysql.pasword: unknown field', 'redis:', 'signingKeyFile:']) t.match(text, problem)
})

async function healthIsIndependent(t: Test, app: App): Promise<void> {
  t.match(await app.send('GET', '/health'), { status: 200, body: { status: 'ok' } })
}

async function contextIsRequired(t: Test, app: App): Promise<void> {
  const refused = (code: string) => ({ status: 421, notExecuted: '1', body: { error: { code }, servedBy: 'beijing' } })
  t.match(await app.send('GET', '/api/users/7'), refused('APP_NO_CONTEXT'), 'no headers at all')
  t.match(await app.send('GET', '/api/products'), refused('APP_NO_CONTEXT'), 'global data as well')
  t.match(await app.send('GET', '/api/users/7', { ...userContext('7'), cell: 'shanghai' }), refused('APP_WRONG_CELL'))
  t.match(await app.send('GET', '/api/whoami', { cell: 'shanghai' }), refused('APP_WRONG_CELL'), 'local data of another cell')
  t.match(await app.send('GET', '/api/users/7', areaContext('bj')), refused('APP_NO_CONTEXT'), 'a context for another space')
  const forged = await fetchAnswer(
    app.url,
    'PUT',
    '/api/users/7',
    [...signed(userContext('7'), Buffer.alloc(32)), 'content-type', 'application/json'],
    '{"name":"x"}'
  )
  t.match(forged, refused('APP_NO_CONTEXT'), 'signed with another key')
  const changed = signed(userContext('7')).map((value) => (value === '7' ? '8' : value))
  t.match(await fetchAnswer(app.url, 'GET', '/api/users/8', changed), refused('APP_NO_CONTEXT'), 'key changed after signing')
  const other = await app.send('PUT', '/api/users/8', userContext('7'), { name: 'x' })
  t.match(other, { status: 400, body: { error: { code: 'APP_KEY_MISMATCH', details: { routedBy: '7', requested: '8' } } } })
  const whoami = await app.send('GET', '/api/whoami')
  t.match(whoami, { status: 200, body: { cell: 'beijing', verified: false, context: null, servedBy: 'beijing' } }, 'local data needs no context')
  const known = await app.send('GET', '/api/whoami', userContext('7'))
  t.match(known.body, { verified: true, context: { key: '7' }, headers: { 'x-cellway-cell': 'beijing', 'x-cellway-key': '7' } })
}

async function usersAndOrders(t: Test, app: App): Promise<void> {
  const context = userContext('1001')
  t.match(await app.send('GET', '/api/users/1001', context), { status: 404, body: { error: { code: 'APP_NOT_FOUND' }, servedBy: 'beijing' } })
  const created = await app.send('PUT', '/api/users/1001', context, { name: '王芳', city: '北京' })
  t.match(created, { status: 200, body: { user: { id: '1001', name: '王芳', city: '北京', email: null }, servedBy: 'beijing' } })
  await app.send('PUT', '/api/users/1001', context, { name: 'Wang Fang', email: 'fang@shop.example' })
  const read = await app.send('GET', '/api/users/1001', context)
  t.match(read.body.user, { name: 'Wang Fang', email: 'fang@shop.example', city: null, createdAt: created.body.user.createdAt })

  const orders = []
  for (const quantity of [1, 2, 3]) orders.push(await app.send('POST', '/api/users/1001/orders', context, { productId: '1', quantity }))
  t.match(orders[2], { status: 201, body: { order: { userId: '1001', productId: '1', quantity: 3, amountCents: 38400 }, servedBy: 'beijing' } })
  const numbers = orders.map((order) => order.body.order.orderNo as string)
  t.type(numbers[0], 'string')
  t.equal(String(decodeBucketId(BigInt(numbers[0] ?? '')).bucket), context.bucket)
  t.equal(decodeBucketId(BigInt(numbers[0] ?? '')).cellNumber, 3)

  const list = await app.send('GET', '/api/users/1001/orders?limit=2', context)
  t.same(
    list.body.orders.map((order: { orderNo: string }) => order.orderNo),
    [numbers[2], numbers[1]]
  )
  const rest = await app.send('GET', `/api/users/1001/orders?limit=2&before=${numbers[1]}`, context)
  t.same(
    rest.body.orders.map((order: { orderNo: string }) => order.orderNo),
    [numbers[0]]
  )

  const { key: _key, ...numberOnly } = context
  t.match((await app.send('GET', `/api/orders/${numbers[0]}`, numberOnly)).body.order, { orderNo: numbers[0], quantity: 1 })
  const wrongBucket = await app.send('GET', `/api/orders/${numbers[0]}`, { ...numberOnly, bucket: '5' })
  t.match(wrongBucket, { status: 400, body: { error: { code: 'APP_KEY_MISMATCH' } } })
  t.match(await app.send('GET', `/api/orders/${numbers[0]}`, userContext('1002')), { status: 404 }, 'an order of somebody else')
  t.match(await app.send('POST', '/api/users/1001/orders', context, { productId: '999', quantity: 1 }), {
    status: 422,
    body: { error: { code: 'APP_UNKNOWN_PRODUCT' } }
  })
}

async function pinnedUsers(t: Test, app: App): Promise<void> {
  const context = { ...userContext('vip-42'), bucket: 'pin:vip-42' }
  const placed = await app.send('POST', '/api/users/vip-42/orders', context, { productId: '2', quantity: 1 })
  t.equal(placed.status, 201)
  const number = placed.body.order.orderNo as string
  t.equal(decodeBucketId(BigInt(number)).bucket, bucketOfKey('vip-42', 1024))
  t.equal((await app.send('GET', `/api/orders/${number}`, context)).status, 200, 'found when the request names the user')
}

async function cartsAndCounters(t: Test, app: App, redis: TestServer): Promise<void> {
  const context = userContext('77')
  t.match((await app.send('GET', '/api/users/77/counter', context)).body, { counter: 0, servedBy: 'beijing' })
  await app.send('POST', '/api/users/77/counter', context)
  t.match((await app.send('POST', '/api/users/77/counter', context)).body, { counter: 2 })
  t.match((await app.send('GET', '/api/users/77/counter', context)).body, { counter: 2 })
  await app.send('PUT', '/api/users/77/cart', context, { items: { 1: 2, 5: 1 } })
  await app.send('PUT', '/api/users/77/cart', context, { items: { 2: 4 } })
  t.strictSame((await app.send('GET', '/api/users/77/cart', context)).body, { items: { 2: 4 }, servedBy: 'beijing' }, 'replaced, not merged')

  const client = new Redis(redis.port, redis.host)
  t.teardown(() => client.disconnect())
  t.same(await client.keys('user:77:*').then((keys) => keys.sort()), ['user:77:cart', 'user:77:counter'])
  t.ok((await client.ttl('user:77:cart')) > 0)
  t.equal((await app.send('DELETE', '/api/users/77/cart', context)).status, 200)
  t.equal(await client.exists('user:77:cart'), 0)
}

async function areasAndPosts(t: Test, app: App): Promise<void> {
  t.match(await app.send('POST', '/api/shops', areaContext('bj'), { name: 'Hutong', address: '1 Nanluogu' }), {
    status: 201,
    body: { shop: { area: 'bj', name: 'Hutong' }, servedBy: 'beijing' }
  })
  await app.send('POST', '/api/shops', areaContext('hb'), { name: 'Great Wall', address: 'Shanhaiguan' })
  const shops = await app.send('GET', '/api/shops', areaContext('bj'))
  t.match(shops.body, { area: 'bj', shops: [{ name: 'Hutong' }] })
  t.equal(shops.body.shops.length, 1)
  t.match(await app.send('POST', '/api/shops', { ...areaContext('bj'), bucket: undefined, key: undefined }, { name: 'x', address: 'y' }), {
    status: 421
  })

  const business = { cell: 'beijing', space: 'business', bucket: 'community', epoch: 1, key: 'community' }
  const post = await app.send('POST', '/api/community/posts', business, { author: '77', title: 'Tea', body: 'Boil it 茶' })
  t.match(post, { status: 201, body: { post: { business: 'community', body: 'Boil it 茶' }, servedBy: 'beijing' } })
  t.match((await app.send('GET', '/api/community/posts', business)).body.posts, [{ id: post.body.post.id }])
}

async function productsAndStock(t: Test, app: App): Promise<void> {
  const context = { cell: 'beijing', space: 'global', bucket: 'all', epoch: 1 }
  const list = await app.send('GET', '/api/products', context)
  t.equal(list.body.products.length, 6)
  t.match(await app.send('GET', '/api/products/6', context), { body: { product: { id: '6', stock: 50 }, cached: false, servedBy: 'beijing' } })
  t.match((await app.send('GET', '/api/products/6', context)).body, { cached: true })
  t.match((await app.send('POST', '/api/products/6/stock', context, { delta: -10 })).body, { productId: '6', stock: 40 })
  t.match((await app.send('GET', '/api/products/6', context)).body, { cached: false, product: { stock: 40 } }, 'a change empties the cache')
  t.match(await app.send('POST', '/api/products/99/stock', context, { delta: 1 }), { status: 404 })

  const buyers = await Promise.all(Array.from({ length: 60 }, () => app.send('POST', '/api/products/6/stock', context, { delta: -1 })))
  t.equal(buyers.filter((buyer) => buyer.status === 200).length, 40, '60 buyers, 40 pieces')
  t.equal(buyers.filter((buyer) => buyer.status === 409 && buyer.body.error.code === 'APP_STOCK_TOO_LOW').length, 20)
  t.match((await app.send('GET', '/api/products/6', context)).body, { product: { stock: 0 } })
}

async function hostileInput(t: Test, app: App): Promise<void> {
  const invalid = { status: 400, body: { error: { code: 'APP_INVALID', retry: 'never' }, servedBy: 'beijing' } }
  t.match(await app.send('PUT', '/api/users/7', userContext('7'), { name: 'x', admin: true }), invalid, 'unknown field')
  t.match(await app.send('PUT', '/api/users/7', userContext('7'), { name: '' }), invalid)
  t.match(await app.send('GET', '/api/users/a%3Ab', userContext('a:b')), invalid, 'an id that would reach into other Redis keys')
  t.match(await app.send('GET', '/api/orders/99999999999999999999', userContext('7')), invalid, 'more than 64 bits')
  t.match(await app.send('GET', '/api/orders/9999999999999999999', userContext('7')), { status: 404 }, '64 bits, and no order')
  t.match(await app.send('POST', '/api/users/7/orders', userContext('7'), { productId: '1', quantity: 0 }), invalid)
  t.match(await app.send('GET', '/api/nothing', userContext('7')), { status: 404, body: { error: { code: 'APP_NO_ROUTE' }, servedBy: 'beijing' } })
  const quotes = `o'; DROP TABLE users; -- `.replaceAll(' ', '_').slice(0, 24)
  t.match(await app.send('PUT', `/api/users/${encodeURIComponent(quotes)}`, userContext(quotes), { name: quotes }), {
    status: 200,
    body: { user: { id: quotes, name: quotes } }
  })
}

async function fenceRefusal(t: Test, app: App, mysql: MariadbServer): Promise<void> {
  const connection = await createConnection({ host: mysql.host, port: mysql.port, user: mysql.user, database: 'shop', multipleStatements: true })
  t.teardown(() => connection.end())
  await connection.query(`CREATE TRIGGER fence BEFORE INSERT ON posts FOR EACH ROW
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'CELLWAY_NOT_OWNER business community shanghai 2'`)
  const business = { cell: 'beijing', space: 'business', bucket: 'community', epoch: 1, key: 'community' }
  const refused = await app.send('POST', '/api/community/posts', business, { author: '77', title: 'Tea', body: 'late' })
  t.match(refused, { status: 421, notExecuted: '1', body: { error: { code: 'APP_NOT_OWNER', details: { fence: /shanghai 2/ } } } })
  await connection.query('DROP TRIGGER fence')
}

async function longConnections(t: Test, app: App): Promise<void> {
  const events = await fetch(`${app.url}/api/events`)
  t.equal(events.headers.get('content-type'), 'text/event-stream')
  let text = ''
  // Leaving the loop cancels the response, as a browser does that closes its EventSource.
  for await (const chunk of events.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    if (text.includes('"counter":1}\n')) break
  }
  const ticks = Array.from(text.matchAll(/^data: (.*)$/gm), ([, data = '']) => JSON.parse(data))
  t.strictSame(ticks, [
    { servedBy: 'beijing', counter: 0 },
    { servedBy: 'beijing', counter: 1 }
  ])

  const url = `${app.url.replace('http', 'ws')}/api/live`
  const socket = new WebSocket(url)
  const [hello] = await once(socket, 'message')
  t.equal(String(hello), 'beijing')
  socket.send('你好')
  t.equal(String((await once(socket, 'message'))[0]), '你好')
  socket.close()
  const [error] = await once(new WebSocket(url, { headers: { 'x-cellway-cell': 'shanghai' } }), 'error')
  t.match(error.message, '421')
}

import { randomBytes } from 'node:crypto'
import t from 'tap'
import { bucketAt, contextAt, moving, startWorld, userAt } from './fixture.ts'
import { type Answer, open, rawConnect } from './http-client.ts'
import { until } from './until.ts'

const world = await startWorld({
  cells: ['beijing', 'shanghai'],
  // One connection: what leaves the queue first also arrives first.
  config: { upstream: { connectionsPerInstanceMax: 1 } },
  cellConfig: { beijing: { hold: { waitMsMax: 15_000, requestsMax: 100 } }, shanghai: { hold: { waitMsMax: 800, requestsMax: 3 } } }
})
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')
const shanghai = world.cell('shanghai')
const user = userAt('beijing')
const bucket = bucketAt('beijing')

const untilHeld = (count: number, cell = beijing): Promise<void> =>
  until(`${count} requests are held`, async () => (await cell.gateway.metric('cellway_gateway_held_requests')) === count)
const startMove = (): Promise<unknown> => world.setBucket('users', bucket, { state: moving('beijing', 'shanghai') })
const write = (body: string | Buffer, method = 'POST'): Promise<Answer> => beijing.send('/users/me', { method, headers: user, body })

t.test('a moving bucket holds its writes and lets its reads through to the owner', async (t) => {
  await startMove()
  const held = [write('a'), write('b', 'PUT'), write('', 'DELETE')]
  await untilHeld(3)
  const read = await beijing.send('/users/me', { headers: user })
  t.same([read.status, read.json.cell], [200, 'beijing'])
  const other = await beijing.send('/users/me', { method: 'POST', headers: userAt('shanghai'), body: 'x' })
  t.equal(other.json.cell, 'shanghai', 'writes of other buckets go on')
  t.same(
    world.take().beijing?.map((seen) => seen.method),
    ['GET'],
    'the held writes have not been sent'
  )
  await world.setBucket('users', bucket, { state: { kind: 'owned' } })
  t.same(
    (await Promise.all(held)).map((answer) => [answer.status, answer.json.cell]),
    Array(3).fill([200, 'beijing']),
    'released to the source'
  )
  const { beijing: seen = [] } = world.take()
  t.same(seen.map((each) => each.method).sort(), ['DELETE', 'POST', 'PUT'], 'each was executed once')
  t.equal(contextAt(seen[0], world.signingKey).epoch, world.snapshot().ledger.find((row) => row.bucket === bucket)?.epoch, 'under the new epoch')
})

t.test('a newer snapshot with a new owner sends the held writes there, in the order of their arrival', async (t) => {
  await startMove()
  const held: Promise<Answer>[] = []
  for (let turn = 0; turn < 8; turn++) {
    held.push(write(`turn ${turn}`))
    await untilHeld(turn + 1)
  }
  await world.setBucket('users', bucket, { owner: 'shanghai' })
  for (const answer of await Promise.all(held)) t.same([answer.status, answer.json.cell], [200, 'shanghai'])
  const taken = world.take()
  t.same(taken.beijing, [], 'nothing reached the old owner')
  t.same(
    taken.shanghai?.map((seen) => seen.body.toString()),
    Array.from({ length: 8 }, (_, turn) => `turn ${turn}`)
  )
  t.equal(await beijing.gateway.metric('cellway_gateway_held_seconds_count', { outcome: 'released' }), 8 + 3)
  await world.setBucket('users', bucket, { owner: 'beijing' })
})

t.test('a held write that comes back to a bucket still moving waits on', async (t) => {
  await startMove()
  const held = write('patience')
  await untilHeld(1)
  // A newer snapshot in which something else has changed.
  await world.setBucket('users', bucketAt('shanghai'), { state: { kind: 'owned' } })
  await untilHeld(1)
  t.equal(world.take().beijing?.length, 0)
  await world.setBucket('users', bucket, { owner: 'beijing' })
  t.equal((await held).status, 200)
  world.take()
})

t.test('a held request with a body arrives whole, small or large', async (t) => {
  await startMove()
  const large = randomBytes(3 * 1024 * 1024)
  const held = [write('small'), write(large)]
  await untilHeld(2)
  await world.setBucket('users', bucket, { state: { kind: 'owned' } })
  const [small, big] = await Promise.all(held)
  t.equal(small?.json.bodyBytes, 5)
  t.equal(big?.json.bodyBytes, large.length)
  const { createHash } = await import('node:crypto')
  t.equal(big?.json.sha256, createHash('sha256').update(large).digest('hex'))
  world.take()
})

t.test('Expect: 100-continue gets its 100 only when the write is released', async (t) => {
  await startMove()
  const raw = await rawConnect(
    beijing.port,
    'POST /users/me HTTP/1.1\r\nHost: a\r\nX-User-Id: at-beijing\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n'
  )
  await untilHeld(1)
  t.equal(raw.received(), '', 'the client is not asked for a body that may go nowhere')
  await world.setBucket('users', bucket, { state: { kind: 'owned' } })
  await until('100 Continue', () => raw.received().startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
  raw.socket.write('hello')
  t.match(await raw.ended(), /HTTP\/1\.1 200 OK/)
  t.equal(world.take().beijing?.[0]?.body.toString(), 'hello')
})

t.test('a client that goes away while it is held leaves the queue, and nothing is executed', async (t) => {
  await startMove()
  const leaving = open(beijing.origin, '/users/me', { method: 'POST', headers: user, body: 'never' })
  const staying = write('stays')
  await untilHeld(2)
  leaving.request.destroy()
  await untilHeld(1)
  await world.setBucket('users', bucket, { state: { kind: 'owned' } })
  t.equal((await staying).status, 200)
  t.same(
    world.take().beijing?.map((seen) => seen.body.toString()),
    ['stays']
  )
  t.equal(await beijing.gateway.metric('cellway_gateway_held_seconds_count', { outcome: 'gone' }), 1)
})

t.test('held for too long: 503 with Retry-After, and nothing was sent', async (t) => {
  await startMove()
  const late = await shanghai.send('/users/me', { method: 'POST', headers: user, body: 'late' })
  t.same([late.status, late.code, late.headers['retry-after']], [503, 'GW_HOLD_TIMEOUT', '1'])
  t.ok(late.ms >= 750, 'after the time it may wait')
  t.same(Object.values(world.take()).flat(), [])
})

t.test('a full queue refuses at once', async (t) => {
  const waiting = Array.from({ length: 3 }, () => shanghai.send('/users/me', { method: 'POST', headers: user, body: 'w' }))
  await untilHeld(3, shanghai)
  const full = await shanghai.send('/users/me', { method: 'POST', headers: user, body: 'one too many' })
  t.same([full.status, full.code, full.headers['retry-after']], [503, 'GW_HOLD_FULL', '1'])
  t.ok(full.ms < 700, 'without waiting')
  t.same(
    (await Promise.all(waiting)).map((answer) => answer.code),
    Array(3).fill('GW_HOLD_TIMEOUT')
  )
  t.same(Object.values(world.take()).flat(), [])
  await world.setBucket('users', bucket, { state: { kind: 'owned' } })
})

t.test('a frozen bucket refuses writes and serves reads', async (t) => {
  await world.setBucket('users', bucket, { state: { kind: 'frozen', reason: 'audit' } })
  const refused = await write('x')
  t.same([refused.status, refused.code], [503, 'TOPO_FROZEN'])
  t.equal((await beijing.send('/users/me', { headers: user })).status, 200)
  await world.setBucket('users', bucket, { state: { kind: 'owned' } })
})

import { randomBytes } from 'node:crypto'
import t from 'tap'
import { bucketAt, headerValue, startWorld, userAt } from './fixture.ts'
import { open } from './http-client.ts'
import { type Handler, readBody, refuseAsNotOwner } from './recording-app.ts'
import { until } from './until.ts'

const world = await startWorld({
  cells: ['beijing', 'shanghai'],
  config: { signing: { mode: 'hops' }, hold: { settleMsMax: 3_000 } }
})
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')
const shanghai = world.cell('shanghai')
const user = userAt('beijing')
const bucket = bucketAt('beijing')

const untilWaiting = (count: number, cell = beijing): Promise<void> =>
  until(`${count} requests wait for a snapshot`, async () => (await cell.gateway.metric('cellway_gateway_held_requests')) === count)
const bodies = (cell: string, taken: ReturnType<typeof world.take>): (string | undefined)[] | undefined =>
  taken[cell]?.map((seen) => seen.body.toString().slice(0, 40))

/** Reads the body, then says that the bucket is not its own. */
const notMine: Handler = (request, response, seen) => {
  readBody(request, seen).then(
    () => refuseAsNotOwner(response, { notExecuted: true }),
    () => undefined
  )
}

t.beforeEach(async () => {
  beijing.app.handler = undefined
  shanghai.app.handler = undefined
  const row = world.snapshot().ledger.find((entry) => entry.bucket === bucket)
  if (row?.owner !== 'beijing') await world.setBucket('users', bucket, { owner: 'beijing' })
  world.take()
})

t.test('421 that executed nothing: waits for a newer snapshot, then goes to the new owner, exactly once', async (t) => {
  beijing.app.handler = notMine
  const pending = beijing.send('/users/me', { method: 'POST', headers: user, body: 'pay' })
  await untilWaiting(1)
  await world.setBucket('users', bucket, { owner: 'shanghai' })
  const answer = await pending
  t.same([answer.status, answer.json.cell, answer.servedBy], [200, 'shanghai', 'shanghai'])
  t.equal(answer.headers['x-cellway-not-executed'], undefined)
  const taken = world.take()
  t.same(bodies('beijing', taken), ['pay'], 'the old owner was asked once')
  t.same(bodies('shanghai', taken), ['pay'], 'the new owner executed it once')
  t.equal(await beijing.gateway.metric('cellway_gateway_rejudged_total', { outcome: 'again' }), 1)
})

t.test('421 without the promise belongs to the client, untouched', async (t) => {
  beijing.app.handler = (_request, response) => refuseAsNotOwner(response, { notExecuted: false })
  const answer = await beijing.send('/users/me', { method: 'POST', headers: user, body: 'x' })
  t.same([answer.status, answer.text, answer.code], [421, 'not me\n', ''])
  t.equal(answer.headers['content-type'], 'text/plain')
  t.equal(world.take().beijing?.length, 1)
})

t.test('no newer snapshot in time: 503 GW_OWNER_UNSETTLED, asked once', async (t) => {
  beijing.app.handler = notMine
  const answer = await beijing.send('/users/me', { method: 'POST', headers: user, body: 'x' })
  t.same([answer.status, answer.code, answer.headers['retry-after']], [503, 'GW_OWNER_UNSETTLED', '1'])
  t.ok(answer.ms >= 2_900, 'after the time it waits for one')
  const taken = world.take()
  t.same([taken.beijing?.length, taken.shanghai?.length], [1, 0])
})

t.test('a body beyond the replay limit is not sent twice, whether the app has read it or not', async (t) => {
  const body = randomBytes(200 * 1024)
  beijing.app.handler = notMine
  const read = await beijing.send('/users/me', { method: 'POST', headers: user, body })
  t.same([read.status, read.code], [503, 'GW_OWNER_UNSETTLED'])
  beijing.app.handler = (_request, response) => refuseAsNotOwner(response, { notExecuted: true })
  const unread = await beijing.send('/users/me', { method: 'POST', headers: user, body })
  t.same([unread.status, unread.code], [503, 'GW_OWNER_UNSETTLED'])
  t.ok(read.ms < 2_500 && unread.ms < 2_500, 'nobody waits for a snapshot that could not help')
  const taken = world.take()
  t.same([taken.beijing?.length, taken.shanghai?.length], [2, 0])
})

t.test("across a hop: the entry gateway judges again, the owner's gateway only reports", async (t) => {
  beijing.app.handler = notMine
  const pending = shanghai.send('/users/me', { method: 'PUT', headers: user, body: 'over the hop' })
  await untilWaiting(1, shanghai)
  t.equal(await beijing.gateway.metric('cellway_gateway_refusals_total', { code: 'GW_NOT_OWNER' }), 1)
  t.equal(await beijing.gateway.metric('cellway_gateway_held_requests'), 0, 'nobody waits behind the hop')
  await world.setBucket('users', bucket, { owner: 'shanghai' })
  const answer = await pending
  t.same([answer.status, answer.json.cell], [200, 'shanghai'])
  const taken = world.take()
  t.same(bodies('beijing', taken), ['over the hop'])
  t.same(bodies('shanghai', taken), ['over the hop'])
})

t.test('421 without the promise passes a hop untouched as well', async (t) => {
  beijing.app.handler = (_request, response) => refuseAsNotOwner(response, { notExecuted: false })
  const answer = await shanghai.send('/users/me', { method: 'POST', headers: user, body: 'x' })
  t.same([answer.status, answer.text], [421, 'not me\n'])
  const taken = world.take()
  t.same([taken.beijing?.length, taken.shanghai?.length], [1, 0])
})

t.test('a client that goes away while its request waits is forgotten', async (t) => {
  beijing.app.handler = notMine
  const leaving = open(beijing.origin, '/users/me', { method: 'POST', headers: user, body: 'never' })
  await untilWaiting(1)
  leaving.request.destroy()
  await untilWaiting(0)
  await world.setBucket('users', bucket, { owner: 'shanghai' })
  t.same(world.take().shanghai, [], 'the new owner never hears of it')
})

t.test('an owner that never settles is asked a bounded number of times', async (t) => {
  beijing.app.handler = notMine
  let answered = false
  const pending = beijing.send('/users/me', { headers: user }).finally(() => {
    answered = true
  })
  // Every new snapshot says the same of this bucket.
  while (!answered) await world.setBucket('users', bucketAt('shanghai'), { state: { kind: 'owned' } })
  const answer = await pending
  t.same([answer.status, answer.code], [503, 'GW_OWNER_UNSETTLED'])
  t.equal(world.take().beijing?.length, 4, 'first, and three times again')
})

t.test('signing: hops leaves the context of the own cell unsigned, and still verifies hops', async (t) => {
  const answer = await shanghai.send('/users/me', { headers: user })
  t.equal(answer.json.cell, 'beijing', 'the hop was believed')
  const [seen] = world.take().beijing ?? []
  t.equal(headerValue(seen, 'x-cellway-bucket'), bucket.replace(':', '%3A'))
  t.equal(headerValue(seen, 'x-cellway-hop'), '0')
  t.equal(headerValue(seen, 'x-cellway-sig'), undefined)
  const forged = await beijing.send('/users/me', { headers: { ...user, 'x-cellway-hop': '1;from=shanghai', 'x-cellway-bucket': '3' } })
  t.equal(forged.status, 200, 'without a signature it is only a client header, and dropped')
  t.equal(headerValue(world.take().beijing?.[0], 'x-cellway-hop'), '0')
})

import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startGateway } from './gateway-fixture.ts'
import {
  connectWire,
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  headerBlock,
  headersFrame,
  isEnded,
  literal,
  outcomeOf,
  settingsPayload,
  type WireClient
} from './http2-wire.ts'

t.setTimeout(120_000)

/** Each flood is a few MiB; a gateway that stores what it is sent would grow by several times that. */
const GROWTH_BYTES_MAX = 96 * 1024 * 1024
const DEADLINE_MS = 10_000
/** Far above what it takes on a busy machine: the question is whether others are served at all. */
const SECOND_CLIENT_MS = 10_000

const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'shop.example'],
  [':path', '/open/a']
]
const RESET_CANCEL = Buffer.from([0, 0, 0, 8])

/** One gateway for all floods: what one of them leaves behind must not hurt the next. */
const gateway = await startGateway({ tls: true })
t.teardown(() => gateway[Symbol.asyncDispose]())

t.test('a burst of 2,000 streams that are reset at once is cut off, and asks little of the upstream', async (t) => {
  const { client } = await flooded(t, (attacker) => {
    for (let index = 0; index < 2_000; index += 1) {
      attacker.send(headersFrame(2 * index + 1, GET), frame(FRAME.reset, 0, 2 * index + 1, RESET_CANCEL))
    }
  })
  t.ok(await client.until((seen) => seen.closed || isGoingAway(seen), DEADLINE_MS), 'the attacker is told to go')
  const reached = gateway.upstreams.flatMap((upstream) => upstream.take().requests).filter(({ target }) => target === '/open/a').length
  t.ok(reached < 1_500, `${reached} of 2,000 reached the upstream`)
})

t.test('a header block without end is cut off', async (t) => {
  const { client } = await flooded(t, (attacker) => {
    attacker.send(headersFrame(1, GET, END_STREAM))
    const more = frame(FRAME.continuation, 0, 1, headerBlock([['x-a', 'b'.repeat(8_000)]]))
    for (let index = 0; index < 1_000; index += 1) attacker.send(more)
  })
  t.ok(await client.until((seen) => seen.closed || isGoingAway(seen) || outcomeOf(seen, 1) !== 'open', DEADLINE_MS), 'the attacker is refused')
  t.not(outcomeOf(client, 1), 'success')
})

t.test('empty CONTINUATION frames without end are cut off', async (t) => {
  const { client } = await flooded(t, (attacker) => {
    attacker.send(headersFrame(1, GET, END_STREAM))
    const more = Buffer.concat(Array.from({ length: 100 }, () => frame(FRAME.continuation, 0, 1)))
    for (let index = 0; index < 100; index += 1) attacker.send(more)
  })
  t.ok(await client.until((seen) => seen.closed || isGoingAway(seen), DEADLINE_MS), 'the attacker is told to go')
})

t.test('an HPACK bomb is refused: a few bytes that stand for 8 MiB of headers', async (t) => {
  const { client } = await flooded(t, (attacker) => {
    // Put one field of 4 KiB into the table, then name it 2,000 times with one byte each.
    const stored = Buffer.concat([Buffer.from([0x40]), literal('x-bomb'), literal('b'.repeat(4_000))])
    attacker.send(frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.concat([headerBlock(GET), stored])))
    attacker.send(frame(FRAME.headers, END_HEADERS | END_STREAM, 3, Buffer.concat([headerBlock(GET), Buffer.alloc(2_000, 0xbe)])))
  })
  t.ok(await client.until((seen) => seen.closed || outcomeOf(seen, 3) !== 'open', DEADLINE_MS), 'the bomb is answered')
  t.not(outcomeOf(client, 3), 'success')
})

t.test('20,000 PINGs from a client that does not read the answers', async (t) => {
  await flooded(t, (attacker) => {
    const pings = Buffer.concat(Array.from({ length: 100 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))))
    for (let index = 0; index < 200; index += 1) attacker.send(pings)
  })
})

t.test('20,000 SETTINGS frames', async (t) => {
  await flooded(t, (attacker) => {
    const settings = Buffer.concat(Array.from({ length: 100 }, () => frame(FRAME.settings, 0, 0, settingsPayload([[4, 65_535]]))))
    for (let index = 0; index < 200; index += 1) attacker.send(settings)
  })
})

t.test('a client that opens no window holds no memory: 64 answers of 1 MiB wait at the upstream', async (t) => {
  await flooded(
    t,
    (attacker) => {
      const large = GET.map(([name, value]) => [name, name === ':path' ? '/open/answer/large' : value] as const)
      for (let index = 0; index < 64; index += 1) attacker.send(headersFrame(2 * index + 1, large))
    },
    [[4, 0]]
  )
})

t.test('more streams at once than agreed are refused, the others are served', async (t) => {
  const { client } = await flooded(t, (attacker) => {
    for (let index = 0; index < 300; index += 1) attacker.send(headersFrame(2 * index + 1, GET))
  })
  await client.until(
    (seen) => seen.closed || Array.from({ length: 300 }, (_, index) => outcomeOf(seen, 2 * index + 1)).every((outcome) => outcome !== 'open'),
    DEADLINE_MS
  )
  const outcomes = Array.from({ length: 300 }, (_, index) => outcomeOf(client, 2 * index + 1))
  t.notOk(outcomes.includes('open'), 'no stream hangs')
  t.ok(outcomes.includes('success'), 'the streams within the limit are served')
})

type Attack = (attacker: WireClient) => void

/** Runs an attack while a second client is served every 50 ms, and watches memory. */
async function flooded(t: Test, attack: Attack, settings: readonly (readonly [number, number])[] = []): Promise<{ client: WireClient }> {
  t.ok(await secondClientIsServed(), 'the gateway serves before the flood')
  const before = await gateway.rssBytes()
  const client = await connectWire(gateway.port, gateway.ca, settings)
  t.teardown(() => client[Symbol.dispose]())
  attack(client)
  let peak = 0
  const served: boolean[] = []
  for (let round = 0; round < 5; round += 1) {
    served.push(await secondClientIsServed())
    peak = Math.max(peak, await gateway.rssBytes())
    await delay(50)
  }
  t.notOk(served.includes(false), 'a second client is served meanwhile, each time')
  const grown = Math.round((peak - before) / 1024 / 1024)
  t.ok(peak - before < GROWTH_BYTES_MAX, `memory grows by ${grown} MiB`)
  return { client }
}

async function secondClientIsServed(): Promise<boolean> {
  using client = await connectWire(gateway.port, gateway.ca)
  client.send(
    headersFrame(
      1,
      GET.map(([name, value]) => [name, name === ':path' ? '/open/second' : value])
    )
  )
  await client.until((seen) => isEnded(seen, 1) || seen.closed, SECOND_CLIENT_MS)
  return outcomeOf(client, 1) === 'success'
}

function isGoingAway({ frames }: WireClient): boolean {
  return frames.some(({ type }) => type === FRAME.goAway)
}

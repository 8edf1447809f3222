import { once } from 'node:events'
import t from 'tap'
import { createControlClient } from './client.ts'
import { type Act, answer, heartbeat, inTurn, lines, makeSnapshot, openStage, serverError, snapshotLine } from './testing.ts'
import type { WatchOptions, WatchState } from './watch.ts'

const TUNING = { heartbeatTimeoutMs: 3000, backoffFirstMs: 10, backoffMaxMs: 40 }
/** Where silence is what is tested. */
const IMPATIENT = { ...TUNING, heartbeatTimeoutMs: 300 }

interface Watching {
  next(): Promise<number>
  readonly states: WatchState[]
  until(kind: WatchState['kind']): Promise<WatchState>
  stop(): Promise<void>
}

function watch(urls: readonly string[], options: Partial<WatchOptions> = {}): Watching {
  const stop = new AbortController()
  const states: WatchState[] = []
  const listeners = new Set<(state: WatchState) => void>()
  const client = createControlClient({ urls, token: 'T' })
  const snapshots = client.watchSnapshots({
    have: 0,
    member: 'm',
    kind: 'gateway',
    cell: 'beijing',
    signal: stop.signal,
    tuning: TUNING,
    onState: (state) => {
      states.push(state)
      for (const listener of listeners) listener(state)
    },
    ...options
  })
  return {
    states,
    async next() {
      const { value, done } = await snapshots.next()
      return done === true || value === undefined ? -1 : value.version
    },
    until: (kind) =>
      new Promise((resolve) => {
        const known = states.find((state) => state.kind === kind)
        if (known !== undefined) resolve(known)
        else listeners.add((state) => state.kind === kind && resolve(state))
      }),
    async stop() {
      stop.abort()
      await client.close()
    }
  }
}

const codes = (states: readonly WatchState[]): string[] => states.flatMap((state) => ('error' in state ? [`${state.kind} ${state.error.code}`] : []))

t.test('newer versions come in order, with what the watch asks for', async (t) => {
  await using stage = await openStage(lines(heartbeat(5), snapshotLine(makeSnapshot(5)), snapshotLine(makeSnapshot(6)), heartbeat(6)))
  const watching = watch([stage.url], { have: 4 })
  t.same([await watching.next(), await watching.next()], [5, 6])
  t.equal(stage.requests[0]?.url, '/v1/watch?have=4&member=m&kind=gateway&cell=beijing')
  t.same(
    watching.states.map((state) => ('version' in state ? `${state.kind} ${state.version}` : state.kind)),
    ['connecting', 'connected', 'confirmed 5', 'confirmed 5', 'confirmed 6']
  )
  await watching.stop()
})

t.test('control is down at the start', async (t) => {
  const first = await openStage(() => undefined)
  await first[Symbol.asyncDispose]()
  const watching = watch([first.url])
  const coming = watching.next()
  t.match(await watching.until('disconnected'), { error: { code: 'CLIENT_UNREACHABLE' } })
  await using _stage = await openStage(lines(snapshotLine(makeSnapshot(1))), first.port)
  t.equal(await coming, 1)
  await watching.stop()
})

t.test('control is restarted: the watch goes on from what it has', async (t) => {
  const before = await openStage(lines(snapshotLine(makeSnapshot(7))))
  const watching = watch([before.url])
  t.equal(await watching.next(), 7)
  const coming = watching.next()
  await before[Symbol.asyncDispose]()
  await watching.until('disconnected')
  await using after = await openStage(lines(snapshotLine(makeSnapshot(8))), before.port)
  t.equal(await coming, 8)
  t.match(after.requests[0]?.url, /have=7/)
  await watching.stop()
})

t.test('a connection that is only half there is left', async (t) => {
  await using stage = await openStage(inTurn(lines(heartbeat(3)), () => undefined, lines(snapshotLine(makeSnapshot(3)))))
  const watching = watch([stage.url], { tuning: IMPATIENT })
  t.equal(await watching.next(), 3)
  t.same(
    codes(watching.states),
    ['disconnected CLIENT_HEARTBEAT_LOST', 'disconnected CLIENT_HEARTBEAT_LOST'],
    'after the first line, and without one'
  )
  await watching.stop()
})

t.test('a long line that arrives slowly is no silence', async (t) => {
  const line = `${snapshotLine(makeSnapshot(2))}\n`
  const trickle: Act = (_request, response) => {
    response.writeHead(200)
    const pieces = Array.from({ length: 8 }, (_, at) => line.slice((at * line.length) / 8, ((at + 1) * line.length) / 8))
    const timer = setInterval(() => {
      const piece = pieces.shift()
      if (piece === undefined) clearInterval(timer)
      else response.write(piece)
    }, 50)
  }
  await using stage = await openStage(trickle)
  const watching = watch([stage.url], { tuning: IMPATIENT })
  t.equal(await watching.next(), 2)
  t.same(codes(watching.states), [])
  await watching.stop()
})

t.test('control knows less than we do: nothing is given out, the state says so', async (t) => {
  await using stage = await openStage(
    lines(heartbeat(3), snapshotLine(makeSnapshot(4)), snapshotLine(makeSnapshot(9)), snapshotLine(makeSnapshot(10)))
  )
  const watching = watch([stage.url], { have: 9 })
  t.equal(await watching.next(), 10, 'neither an older nor the same version')
  t.match(watching.states, [
    { kind: 'connecting' },
    { kind: 'connected' },
    { kind: 'behind', version: 3, have: 9 },
    { kind: 'behind', version: 4 },
    { kind: 'behind', version: 9 },
    { kind: 'confirmed' }
  ])
  await watching.stop()
})

t.test('damaged lines are never given out; the next connection brings good ones', async (t) => {
  const good = snapshotLine(makeSnapshot(2))
  const rows: [string, string, string][] = [
    ['checksum', good.replace('cn-north', 'cn-south'), 'disconnected TOPO_SNAPSHOT_CORRUPT'],
    ['no snapshot', '{"type":"snapshot"}', 'disconnected TOPO_SNAPSHOT_CORRUPT'],
    ['cut off', good.slice(0, 80), 'disconnected CLIENT_RESPONSE_INVALID'],
    ['not JSON', 'hello', 'disconnected CLIENT_RESPONSE_INVALID'],
    ['no type', '{}', 'disconnected CLIENT_RESPONSE_INVALID'],
    ['heartbeat without version', '{"type":"heartbeat"}', 'disconnected CLIENT_RESPONSE_INVALID']
  ]
  for (const [name, line, code] of rows) {
    await using stage = await openStage(inTurn(lines(line, good), lines(good)))
    const watching = watch([stage.url])
    t.equal(await watching.next(), 2, name)
    t.equal(stage.requests.length, 2, `${name}: the damaged connection is left`)
    t.equal(codes(watching.states).at(-1), code, name)
    await watching.stop()
  }
})

t.test('a kind of line from a newer control is passed over', async (t) => {
  await using stage = await openStage(lines('{"type":"news","of":"tomorrow"}', snapshotLine(makeSnapshot(2))))
  const watching = watch([stage.url])
  t.equal(await watching.next(), 2)
  t.same(codes(watching.states), [])
  await watching.stop()
})

t.test('a newer version with a lower epoch is refused, as after a restore', async (t) => {
  await using stage = await openStage(lines(snapshotLine(makeSnapshot(6, 4)), snapshotLine(makeSnapshot(7, 5))))
  const watching = watch([stage.url], { have: 5, current: makeSnapshot(5, 5) })
  t.equal(await watching.next(), 7)
  t.match(watching.states[2], { kind: 'refused', error: { code: 'CLIENT_EPOCH_LOWERED', details: { version: 6, epoch: 5, newEpoch: 4 } } })
  await watching.stop()
})

t.test('the time that the consumer takes is no silence', async (t) => {
  await using stage = await openStage(lines(snapshotLine(makeSnapshot(1)), snapshotLine(makeSnapshot(2))))
  const watching = watch([stage.url], { tuning: IMPATIENT })
  t.equal(await watching.next(), 1)
  await new Promise((resolve) => setTimeout(resolve, 2 * IMPATIENT.heartbeatTimeoutMs))
  t.equal(await watching.next(), 2)
  t.equal(stage.requests.length, 1)
  await watching.stop()
})

t.test('a refused token is reported, and asked again; every control gets its turn', async (t) => {
  await using refusing = await openStage(answer(401, serverError('CTL_TOKEN_INVALID', 'never')))
  await using good = await openStage(lines(snapshotLine(makeSnapshot(1))))
  const watching = watch([refusing.url, good.url])
  t.equal(await watching.next(), 1)
  t.same(codes(watching.states), ['disconnected CTL_TOKEN_INVALID'])
  await watching.stop()
})

t.test('the waits double, are spread, and are bounded', async (t) => {
  const gone = await openStage(() => undefined)
  await gone[Symbol.asyncDispose]()
  const watching = watch([gone.url], { tuning: { ...TUNING, random: () => 1 } })
  const coming = watching.next()
  while (watching.states.filter(({ kind }) => kind === 'disconnected').length < 5) await new Promise((resolve) => setTimeout(resolve, 5))
  t.same(watching.states.flatMap((state) => (state.kind === 'disconnected' ? [state.retryInMs] : [])).slice(0, 5), [10, 20, 40, 40, 40])
  await watching.stop()
  t.equal(await coming, -1, 'the signal ends it while it waits')
})

t.test('it ends with the signal while connected, and closes its connection', async (t) => {
  let closed: Promise<unknown> = Promise.resolve()
  await using stage = await openStage((request, response) => {
    closed = once(response, 'close')
    lines(heartbeat(0))(request, response)
  })
  const watching = watch([stage.url])
  const coming = watching.next()
  await watching.until('confirmed')
  await watching.stop()
  t.equal(await coming, -1)
  await closed
})

t.test('a consumer that breaks off leaves no connection behind', async (t) => {
  let closed: Promise<unknown> = Promise.resolve()
  await using stage = await openStage((request, response) => {
    closed = once(response, 'close')
    lines(snapshotLine(makeSnapshot(1)))(request, response)
  })
  await using client = createControlClient({ urls: [stage.url], token: 'T' })
  for await (const { version } of client.watchSnapshots({
    have: 0,
    member: 'm',
    kind: 'cli',
    cell: 'beijing',
    signal: new AbortController().signal
  })) {
    t.equal(version, 1)
    break
  }
  await closed
})

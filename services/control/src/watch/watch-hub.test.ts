import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import t from 'tap'
import { EXAMPLE_TOPOLOGY, startTestControl, type TestControl } from '../testing.ts'

interface Line {
  readonly type: string
  readonly version?: number
  readonly snapshot?: { readonly version: number }
}

/** A raw reader, so that it can really stop reading. */
async function openWatch(
  { control, adminToken }: TestControl,
  { have, token = adminToken }: { have: number; token?: string }
): Promise<{ socket: Socket; lines: AsyncIterator<Line> }> {
  const { hostname, port } = new URL(control.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(`GET /v1/watch?have=${have}&member=m1&kind=gateway&cell=beijing HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
  return { socket, lines: readLines(socket) }
}

async function* readLines(socket: Socket): AsyncGenerator<Line> {
  // Chunk sizes and headers are lines too; only JSON objects are ours.
  for await (const line of createInterface({ input: socket })) if (line.startsWith('{')) yield JSON.parse(line)
}

async function nextOf(lines: AsyncIterator<Line>, type: string): Promise<Line> {
  for (;;) {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`the stream ended before a ${type}`)
    if (value.type === type) return value
  }
}

/** Wide enough that a hundred snapshots are more than all buffers between two processes hold. */
const ROUTES = Array.from(
  { length: 500 },
  (_, at) => `  - {match: {path: /api/r${at}/${'x'.repeat(100)}}, space: users, key: [{header: x-user-id}], missing: reject}`
).join('\n')
const WIDE_TOPOLOGY = EXAMPLE_TOPOLOGY + ROUTES

const change = async ({ call }: TestControl, expectedEpoch: number): Promise<void> => {
  const changes = [{ space: 'areas', bucket: 'bj', expectedEpoch, owner: 'beijing', state: { kind: 'owned' } }]
  const { status } = await call('POST', '/v1/ledger/changes', { body: { reason: 'r', changes } })
  if (status !== 200) throw new Error(`status ${status}`)
}

t.test('a watcher gets the newest once, then each change, and heartbeats between', async (t) => {
  await using test = await startTestControl()
  const early = await openWatch(test, { have: 0 })
  t.same(await nextOf(early.lines, 'heartbeat'), { type: 'heartbeat', version: 0 }, 'before the first topology')
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  t.equal((await nextOf(early.lines, 'snapshot')).snapshot?.version, 1)
  await change(test, 1)
  t.equal((await nextOf(early.lines, 'snapshot')).snapshot?.version, 2)
  t.same(await nextOf(early.lines, 'heartbeat'), { type: 'heartbeat', version: 2 })

  const upToDate = await openWatch(test, { have: 2 })
  t.same(await nextOf(upToDate.lines, 'heartbeat'), { type: 'heartbeat', version: 2 })
  await change(test, 2)
  t.equal((await nextOf(upToDate.lines, 'snapshot')).snapshot?.version, 3, 'nothing is sent twice')

  const ahead = await openWatch(test, { have: 99 })
  t.same(await nextOf(ahead.lines, 'heartbeat'), { type: 'heartbeat', version: 3 })
  await change(test, 3)
  t.same(await nextOf(ahead.lines, 'heartbeat'), { type: 'heartbeat', version: 4 }, 'older than what it has is not sent')
  t.match((await test.call('GET', '/v1/members')).body, { members: [{ member: 'm1', cell: 'beijing', connected: true, state: 'joining' }] })
  for (const { socket } of [early, upToDate, ahead]) socket.destroy()
})

t.test('a reader that stops gets the newest when it goes on, not all it missed, and costs no memory', async (t) => {
  await using test = await startTestControl()
  await test.apply(WIDE_TOPOLOGY, 0)
  const slow = await openWatch(test, { have: 0 })
  const fast = await openWatch(test, { have: 0 })
  t.equal((await nextOf(fast.lines, 'snapshot')).snapshot?.version, 1)
  t.equal((await nextOf(slow.lines, 'snapshot')).snapshot?.version, 1)
  slow.socket.pause()
  const changes = 90
  const seenByFast = (async () => {
    let seen = 0
    for (;;) {
      const { snapshot } = await nextOf(fast.lines, 'snapshot')
      seen += 1
      if (snapshot?.version === changes + 1) return seen
    }
  })()
  for (let epoch = 1; epoch <= changes; epoch += 1) await change(test, epoch)
  const fastCount = await seenByFast
  slow.socket.resume()
  let slowCount = 0
  for (let version = 0; version < changes + 1; slowCount += 1) {
    const next = (await nextOf(slow.lines, 'snapshot')).snapshot?.version ?? 0
    t.ok(next > version, 'newer each time')
    version = next
  }
  t.ok(slowCount < changes - 10, `the slow reader got ${slowCount} of ${changes}, the fast one ${fastCount}`)
  const metrics = await (await fetch(`${test.control.metricsUrl}/metrics`)).text()
  t.match(metrics, /cellway_control_watch_skipped_total [1-9]/)
  for (const { socket } of [slow, fast]) socket.destroy()
})

t.test('a revoked token ends its streams; so does stopping', async (t) => {
  const test = await startTestControl()
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  const token = await test.token('viewer')
  const revoked = await openWatch(test, { have: 0, token })
  const kept = await openWatch(test, { have: 0 })
  await nextOf(revoked.lines, 'snapshot')
  await nextOf(kept.lines, 'snapshot')
  await test.call('DELETE', `/v1/tokens/${token.split('_')[1]}`)
  await t.rejects(nextOf(revoked.lines, 'snapshot'), /ended/)
  t.same(await nextOf(kept.lines, 'heartbeat'), { type: 'heartbeat', version: 1 })
  const startedMs = performance.now()
  await Promise.all([test[Symbol.asyncDispose](), t.rejects(nextOf(kept.lines, 'snapshot'), /ended/)])
  t.ok(performance.now() - startedMs < 4000, 'stopping does not wait for watchers')
})

/** What goes on while something is down or on the move. */

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LedgerChange } from '@cellway/client'
import { type CellLayout, filesOf } from '../layout.ts'
import { type Chapter, expect, type SmokeContext, same } from './checks.ts'
import { type Answer, ask, askAdmin, until } from './http.ts'
import { bucketOf, servingCell } from './routing.ts'

const ADOPT_MS = 10_000
const HOLD_MS = 700
const HEAL_MS = 20_000
const LOAD_LANES = 8
const LOAD_EVERY_MS = 5
const OUTAGE_REQUESTS = 300
const HELD_USER = '42'

export const failures: Chapter = {
  title: 'Things move and break, requests do not',
  checks: [
    { name: 'a moving bucket holds writes, not reads; the next snapshot releases', run: moving },
    { name: 'a topology change is adopted by every gateway', run: topologyChange },
    { name: 'an application instance is killed: safe requests go on, the pool heals', run: instanceKilled },
    { name: 'control is killed: traffic goes on unchanged', run: controlKilled },
    { name: 'a gateway restarted meanwhile serves from its file', run: gatewayFromFile },
    { name: 'control is back: every gateway converges', run: controlBack }
  ]
}

async function moving(context: SmokeContext): Promise<string> {
  const { layout, first, client } = context
  const path = `/api/users/${HELD_USER}`
  const { bucket } = await bucketOf(first, path)
  const to = layout.cells.find(({ name }) => name !== bucket.owner)?.name ?? bucket.owner
  const change = (expectedEpoch: number, state: LedgerChange['state']) => ({
    space: 'users',
    bucket: bucket.bucket,
    expectedEpoch,
    owner: bucket.owner,
    state
  })
  const leaving = { kind: 'moving', from: bucket.owner, to, shift: 'smoke' } as unknown as LedgerChange['state']
  const { version } = await client.changeLedger({ changes: [change(bucket.epoch, leaving)], reason: 'smoke: hold' })
  let writing: Promise<Answer> | undefined
  try {
    await adopted(layout.cells, version)
    let done = false
    writing = ask(first, { method: 'PUT', path, json: { name: 'Held' } }).finally(() => {
      done = true
    })
    await sleep(HOLD_MS)
    expect(!done, 'the write went through although the bucket is moving')
    const read = await ask(first, { path })
    same(servingCell(read), bucket.owner, 'reads meanwhile are served by')
  } finally {
    // Whatever was seen: a bucket that stays moving would fail every later check.
    await client.changeLedger({ changes: [change(bucket.epoch + 1, { kind: 'owned' })], reason: 'smoke: release' })
  }
  const written = await writing
  await adopted(layout.cells, version + 1)
  same(written.status, 200, 'the held write')
  return `held ${Math.round(written.ms)} ms, then written at ${servingCell(written)}, epoch ${bucket.epoch} → ${bucket.epoch + 2}`
}

async function topologyChange({ layout, client }: SmokeContext): Promise<string> {
  const current = await client.topology()
  expect(current !== undefined, 'control has no topology')
  const source = current.source ?? readFileSync(filesOf(layout).topology, 'utf8')
  const changed = source.replace(/readYourWrites: (\d+)s/, (_, seconds: string) => `readYourWrites: ${Number(seconds) + 1}s`)
  expect(changed !== source, 'the topology has no readYourWrites to change')
  const { version } = await client.applyTopology({ text: changed, reason: 'smoke: change', ifMatch: current.version })
  const ms = await adopted(layout.cells, (await client.status()).version)
  await client.applyTopology({ text: source, reason: 'smoke: change back', ifMatch: version })
  await adopted(layout.cells, (await client.status()).version)
  return `adopted by ${layout.cells.length} gateways in ${Math.round(ms)} ms`
}

async function instanceKilled({ first, supervisor }: SmokeContext): Promise<string> {
  const victim = `${first.name}/app-1`
  if (first.ports.apps.length < 2) return 'only one instance per cell (--apps 1)'
  const pid = supervisor.pidOf(victim)
  expect(pid !== undefined, `${victim} does not run`)
  const load = startLoad([first])
  await sleep(HOLD_MS)
  process.kill(pid, 'SIGKILL')
  const healed = await until('both instances up', {
    timeoutMs: HEAL_MS,
    holds: () => instancesUp(first, { count: first.ports.apps.length, notPid: pid, supervisor })
  })
  const { requests, failed } = await load.stop()
  same(failed.length, 0, `failed of ${requests} requests (${failed[0] ?? ''})`)
  return `${requests} requests, 0 failed; healed in ${(healed / 1000).toFixed(1)} s`
}

async function controlKilled({ layout, supervisor }: SmokeContext): Promise<string> {
  await supervisor.stop('control', 'SIGKILL')
  const cells = layout.cells
  for (let index = 0; index < OUTAGE_REQUESTS; index += 1) {
    const cell = cells[index % cells.length]
    if (cell === undefined) continue
    const answer = await ask(cell, { method: 'PUT', path: `/api/users/${index}`, json: { name: `During the outage ${index}` } })
    same(answer.status, 200, `request ${index}`)
  }
  return `${OUTAGE_REQUESTS} writes, 0 failed`
}

async function gatewayFromFile({ first, supervisor }: SmokeContext): Promise<string> {
  const name = `${first.name}/gateway`
  const before = servingCell(await ask(first, { path: '/api/users/42' }))
  await supervisor.stop(name)
  const startedAt = performance.now()
  await supervisor.startAgain(name)
  await until('the first answer', { timeoutMs: ADOPT_MS, holds: async () => (await ask(first, { path: '/api/users/42' })).status < 500 || 'not yet' })
  const ms = performance.now() - startedAt
  same(servingCell(await ask(first, { path: '/api/users/42' })), before, 'user 42 is served by')
  const { body } = await askAdmin(first, { path: '/v1/snapshot' })
  same(body.controlConnected, false, 'connected to control')
  return `first answer ${(ms / 1000).toFixed(1)} s after its start, version ${String(body.version)}`
}

async function controlBack(context: SmokeContext): Promise<string> {
  const { layout, first, client, supervisor } = context
  await supervisor.startAgain('control')
  const { bucket } = await bucketOf(first, '/api/users/42')
  const changes = [{ space: 'users', bucket: bucket.bucket, expectedEpoch: bucket.epoch, owner: bucket.owner, state: { kind: 'owned' } as const }]
  const { version } = await client.changeLedger({ changes, reason: 'smoke: after the outage' })
  const ms = await adopted(layout.cells, version)
  return `version ${version} adopted by ${layout.cells.length} gateways in ${(ms / 1000).toFixed(1)} s`
}

/** Every worker of every gateway. */
async function adopted(cells: readonly CellLayout[], version: number): Promise<number> {
  return until(`version ${version} everywhere`, {
    timeoutMs: ADOPT_MS,
    holds: async () => {
      const seen = await Promise.all(cells.map(async (cell) => adoptedVersion(await askAdmin(cell, { path: '/v1/snapshot' }))))
      return seen.every((have) => have >= version) || `versions ${seen.join(', ')}`
    }
  })
}

/** What the slowest worker has; the supervisor itself may know a newer one. */
function adoptedVersion({ body: { adopted: slowest } }: Answer): number {
  return typeof slowest === 'object' && slowest !== null && 'version' in slowest ? Number(slowest.version) : 0
}

interface HealedWish {
  readonly count: number
  readonly notPid: number
  readonly supervisor: SmokeContext['supervisor']
}

async function instancesUp(cell: CellLayout, { count, notPid, supervisor }: HealedWish): Promise<string | true> {
  const pid = supervisor.pidOf(`${cell.name}/app-1`)
  if (pid === undefined || pid === notPid) return 'the killed instance is not started again yet'
  const { body } = await askAdmin(cell, { path: '/v1/upstreams' })
  const text = JSON.stringify(body)
  const answering = await Promise.all(cell.ports.apps.map((port) => ask({ ...cell, ports: { ...cell.ports, gateway: port } }, { path: '/health' })))
  return answering.filter(({ status }) => status === 200).length === count || text
}

/** Safe requests at a steady pace until `stop`. */
function startLoad(cells: readonly CellLayout[]): { readonly stop: () => Promise<{ requests: number; failed: string[] }> } {
  const stopped = new AbortController()
  const failed: string[] = []
  let requests = 0
  const lane = async (offset: number) => {
    for (let index = offset; !stopped.signal.aborted; index += LOAD_LANES) {
      const cell = cells[index % cells.length]
      if (cell === undefined) return
      requests += 1
      await ask(cell, { path: '/api/products' }).then(
        ({ status, body }) => status === 200 || failed.push(`${status} ${JSON.stringify(body).slice(0, 200)}`),
        (error: unknown) => failed.push(error instanceof Error ? error.message : String(error))
      )
      await sleep(LOAD_EVERY_MS)
    }
  }
  const lanes = Promise.all(Array.from({ length: LOAD_LANES }, (_, offset) => lane(offset)))
  return {
    async stop() {
      stopped.abort()
      await lanes
      return { requests, failed }
    }
  }
}

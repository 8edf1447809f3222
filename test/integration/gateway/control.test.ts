import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MemberView } from '@cellway/client'
import { type BucketState, decodeSnapshot, type LedgerEntry } from '@cellway/topology'
import t from 'tap'
import { startControl } from './control-process.ts'
import { bucketAt, moving, startWorld, untilAdopted, userAt } from './fixture.ts'
import type { Answer } from './http-client.ts'
import { until } from './until.ts'

const CELLS = ['beijing', 'shanghai']
const folder = await mkdtemp(join(tmpdir(), 'cellway-control-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const control = await startControl(folder)
t.teardown(() => control[Symbol.asyncDispose]())

const cellConfig: Record<string, Readonly<Record<string, unknown>>> = {}
for (const cell of CELLS) {
  const { token } = await control.client.tokens.create({ name: `gateway of ${cell}`, role: 'agent', cell })
  const tokenFile = join(folder, `${cell}.token`)
  await writeFile(tokenFile, token ?? '', { mode: 0o600 })
  cellConfig[cell] = { control: { urls: [control.url], tokenFile } }
}
const world = await startWorld({ cells: CELLS, withoutSnapshot: true, cellConfig, config: { hold: { waitMsMax: 20_000 } } })
t.teardown(() => world[Symbol.asyncDispose]())

const beijing = world.cell('beijing')
const shanghai = world.cell('shanghai')
const bucket = bucketAt('beijing')
const post = (cell: typeof beijing, body: string): Promise<Answer> => cell.send('/users/me', { method: 'POST', headers: userAt('beijing'), body })

async function rowOf(name: string): Promise<LedgerEntry> {
  const { buckets } = await control.client.buckets({ space: 'users' })
  const row = buckets.find((entry) => entry.bucket === name)
  if (row === undefined) throw new Error(`no bucket ${name}`)
  return row
}

/** One compare-and-set of the ledger. @returns the version of the snapshot that has it */
async function change(owner: string, state: BucketState): Promise<number> {
  const { epoch } = await rowOf(bucket)
  const changed = await control.client.changeLedger({ changes: [{ space: 'users', bucket, expectedEpoch: epoch, owner, state }], reason: 'test' })
  return changed.version
}

const everywhere = async (version: number): Promise<void> => {
  await Promise.all(world.cells().map((cell) => untilAdopted(cell.gateway, version)))
}
const member = async (cell: string): Promise<MemberView | undefined> =>
  (await control.client.members()).members.find((each) => each.member === `${cell}-gw-1`)

t.test('gateways without a file take the topology from control, write it to their file and acknowledge it', async (t) => {
  t.equal((await beijing.gateway.admin('/health/ready')).status, 503)
  const { version } = await control.client.applyTopology({ text: world.topologyText, reason: 'first', ifMatch: 0 })
  await everywhere(version)
  for (const cell of world.cells()) {
    await until('ready', async () => (await cell.gateway.admin('/health/ready')).status === 200)
    t.equal(decodeSnapshot(await readFile(cell.snapshotFile, 'utf8')).version, version)
    t.match((await cell.gateway.admin('/v1/snapshot')).json, { version, controlConnected: true })
    await until(`control knows that ${cell.name} has it`, async () => (await member(cell.name))?.version === version)
    t.match(await member(cell.name), { kind: 'gateway', cell: cell.name, connected: true, state: 'current' })
  }
  t.equal((await post(shanghai, 'x')).json.cell, 'beijing')
  world.take()
})

t.test('a bucket moves under load through both gateways: every write is executed once, none fails', async (t) => {
  let stop = false
  const sent: string[] = []
  const failed: string[] = []
  const writer = async (cell: typeof beijing, name: string): Promise<void> => {
    for (let turn = 0; !stop; turn++) {
      const body = `${name}-${turn}`
      sent.push(body)
      const answer = await post(cell, body)
      if (answer.status !== 200) failed.push(`${body}: ${answer.status} ${answer.code}`)
    }
  }
  const writers = [writer(beijing, 'a'), writer(shanghai, 'b'), writer(beijing, 'c'), writer(shanghai, 'd')]
  for (const [from, to] of [
    ['beijing', 'shanghai'],
    ['shanghai', 'beijing'],
    ['beijing', 'shanghai']
  ] as const) {
    await everywhere(await change(from, moving(from, to)))
    // Not waited for everywhere: one gateway hears of the new owner before the other.
    const version = await change(to, { kind: 'owned' })
    const before = sent.length
    await until('writes go on', () => sent.length > before + 20)
    await everywhere(version)
  }
  stop = true
  await Promise.all(writers)
  t.same(failed, [])
  const taken = world.take()
  const executed = Object.values(taken).flatMap((seen) => seen.map((each) => each.body.toString()))
  t.same(executed.sort(), sent.sort(), `${sent.length} writes, each executed once`)
  t.ok((taken.beijing?.length ?? 0) > 0 && (taken.shanghai?.length ?? 0) > 0)
})

t.test('control killed: traffic goes on, and a gateway that starts meanwhile serves from its file at once', async (t) => {
  const { version } = (await beijing.gateway.admin('/v1/snapshot')).json
  await control.kill()
  await until('the gateway notices', async () => (await beijing.gateway.admin('/v1/snapshot')).json.controlConnected === false)
  t.equal((await post(beijing, 'x')).json.cell, 'shanghai')
  t.equal(await beijing.gateway.metric('cellway_gateway_control_connected'), 0)
  await world.restart('shanghai')
  t.equal((await shanghai.gateway.admin('/health/ready')).status, 200)
  t.match((await shanghai.gateway.admin('/v1/snapshot')).json, { version, adopted: { version }, controlConnected: false })
  t.equal((await post(shanghai, 'x')).json.cell, 'shanghai')
  const age = (await beijing.gateway.admin('/v1/snapshot')).json.ageMs
  await until('the age of the snapshot grows', async () => (await beijing.gateway.admin('/v1/snapshot')).json.ageMs > age)
  world.take()
})

t.test('control back: the gateways converge by themselves', async (t) => {
  await control.start()
  const version = await change('beijing', { kind: 'owned' })
  await everywhere(version)
  for (const cell of world.cells()) {
    t.equal((await post(cell, 'x')).json.cell, 'beijing')
    await until('its acknowledgement', async () => (await member(cell.name))?.version === version)
  }
})

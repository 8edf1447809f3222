import { cpSync, readFileSync, rmSync, statSync } from 'node:fs'
import { type AuditRecord, type ControlClient, createControlClient, type LedgerChange, type WatchState } from '@cellway/client'
import type { CellId, LedgerEntry } from '@cellway/topology'
import t from 'tap'
import { exampleTopology, makeControlProcess, runControl } from './control-process.ts'

const KILL_ROUNDS_MIN = 5
const KILL_ROUNDS_MAX = 12
const KILL_BUDGET_MS = 15_000

// Starts of real processes take seconds on a busy machine.
t.setTimeout(180_000)

t.test('a process from start to stop', async (t) => {
  await using control = await makeControlProcess({ folder: t.testdir({}) })
  await control.start()
  t.equal(statSync(control.tokenFile).mode & 0o777, 0o600)
  const token = readFileSync(control.tokenFile, 'utf8').trim()
  t.notOk(control.log().includes(token), 'the token is not in the log')
  await using client = createControlClient({ urls: [control.url], token })
  t.match(await client.status(), { version: 0, checksum: null, cells: {} })
  t.equal(await client.topology(), undefined)
  t.match(await client.validateTopology(exampleTopology()), { ok: true, problems: [] })
  t.match(await client.diffTopology(exampleTopology()), { version: 0, diff: { cells: { added: ['beijing', 'shanghai'] } } })
  t.match(await client.applyTopology({ text: exampleTopology(), reason: 'first', ifMatch: 0 }), { version: 1, changed: true })
  t.match(await client.topology(), { version: 1, source: exampleTopology() })
  const snapshot = await client.snapshot()
  t.equal(snapshot?.ledger.length, 1028)
  t.match(await client.explain({ method: 'GET', url: '/api/orders/1', headers: { 'x-user-id': '77' }, cell: 'shanghai' }), {
    bucket: { space: 'users' }
  })
  t.match(await client.buckets({ space: 'areas', owner: 'beijing' }), { total: 2, buckets: [{ bucket: 'bj' }, { bucket: 'zj' }] })
  const agent = await client.tokens.create({ name: 'gw', role: 'agent', cell: 'beijing' })
  await using gateway = createControlClient({ urls: [control.url], token: agent.token ?? '' })
  await gateway.ack({ member: 'gw-1', kind: 'gateway', cell: 'beijing', version: 1, checksum: snapshot?.checksum ?? '' })
  t.match(await client.members(), { version: 1, members: [{ member: 'gw-1', state: 'current' }] })
  await t.rejects(gateway.status(), { code: 'CTL_FORBIDDEN', statusCode: 403 })
  t.equal((await client.tokens.list()).length, 2)
  await client.tokens.remove(agent.id, { reason: 'done' })
  await t.rejects(gateway.snapshot(), { code: 'CTL_TOKEN_INVALID' })
  t.match(await client.audit.verify(), { ok: true })
  t.equal((await fetch(`${control.url}/metrics`)).status, 404, 'metrics have a listener of their own')
  t.match(await (await fetch(`${control.metricsUrl}/metrics`)).text(), /cellway_control_snapshot_version 1/)
  t.match(await (await fetch(`${control.url}/health/ready`)).json(), { ready: true })
  const second = await runControl({ CELLWAY_CONTROL_PORT: '0', CELLWAY_CONTROL_DATA: `${control.tokenFile.replace('/admin.token', '')}/data` })
  t.equal(second.code, 1)
  t.match(second.output, /STORE_LOCKED/, 'a second process on the same data is refused')
  t.equal(await control.stop(), 0, 'SIGTERM ends it in peace')
})

t.test('a wrong setting stops the start, with every problem', async (t) => {
  const { code, output } = await runControl({ CELLWAY_CONTROL_PORT: 'many', CELLWAY_LOG_LEVEL: 'loud' })
  t.equal(code, 1)
  for (const word of ['CTL_CONFIG_INVALID', 'CELLWAY_CONTROL_PORT', 'CELLWAY_LOG_LEVEL']) t.ok(output.includes(word), word)
})

const BAD: [string, string, RegExp][] = [
  ['bad YAML', 'cells: {', /line/],
  ['unknown field', exampleTopology().replace('weight', 'wieght'), /wieght/],
  ['unknown cell', exampleTopology().replace('sh: shanghai', 'sh: xian'), /xian/],
  ['bucket count changed', exampleTopology().replace('1024', '512'), /spaces\.users/],
  ['overlapping values', exampleTopology().replace('gd, zj]', 'gd, zj, gd]'), /gd/],
  ['duplicate pin', `${exampleTopology()}pins: {users: {"7": beijing, "7": shanghai}}\n`, /twice/],
  ['literal secret', exampleTopology().replace('weight: 1,', 'weight: 1, stores: {mysql: {password: "hunter2"}},'), /password/]
]

t.test('bad configuration is refused with all problems, and the running snapshot stays', async (t) => {
  await using control = await makeControlProcess({ folder: t.testdir({}) })
  await control.start()
  await using client = createControlClient({ urls: [control.url], token: readFileSync(control.tokenFile, 'utf8').trim() })
  await client.applyTopology({ text: exampleTopology(), reason: 'first', ifMatch: 0 })
  const before = await client.snapshot()
  for (const [name, text, mention] of BAD) {
    await t.rejects(client.applyTopology({ text, reason: name, ifMatch: 1 }), { code: 'CTL_TOPOLOGY_INVALID', statusCode: 422 }, name)
    const { ok, problems } = await client.validateTopology(text)
    t.equal(ok, false, name)
    t.match(JSON.stringify(problems), mention, name)
  }
  const several = exampleTopology({ weight: -1 }).replace('missing: reject', 'missing: perhaps').replace('sh: shanghai', 'sh: xian')
  const { problems } = await client.validateTopology(several)
  for (const mention of [/weight/, /missing/, /xian/]) t.match(JSON.stringify(problems), mention, 'all at once')
  t.same(await client.snapshot(), before)
  t.equal((await client.audit.list({})).records.filter(({ outcome }) => outcome === 'refused').length, BAD.length)
})

t.test('a watch through a frozen process, and through a restore from an old copy', async (t) => {
  const folder = t.testdir({})
  await using control = await makeControlProcess({ folder })
  await control.start()
  await using client = createControlClient({ urls: [control.url], token: readFileSync(control.tokenFile, 'utf8').trim() })
  await client.applyTopology({ text: exampleTopology(), reason: 'first', ifMatch: 0 })
  await control.stop()
  cpSync(`${folder}/data`, `${folder}/copy`, { recursive: true })
  await control.start()

  const stop = new AbortController()
  const states: WatchState[] = []
  const tuning = { heartbeatTimeoutMs: 3000, backoffFirstMs: 50, backoffMaxMs: 200 }
  const watching = client.watchSnapshots({
    have: 0,
    member: 'w',
    kind: 'cli',
    cell: 'beijing',
    signal: stop.signal,
    tuning,
    onState: (state) => states.push(state)
  })
  const seen = (kind: string, code?: string): boolean =>
    states.some((state) => state.kind === kind && (code === undefined || ('error' in state && state.error.code === code)))
  const nextVersion = async (): Promise<number | undefined> => (await watching.next()).value?.version
  const move = (expectedEpoch: number, bucket = 'bj') =>
    client.changeLedger({ changes: [{ space: 'areas', bucket, expectedEpoch, owner: 'shanghai', state: { kind: 'owned' } }], reason: 'test' })
  t.equal(await nextVersion(), 1)

  const afterThaw = nextVersion()
  control.freeze()
  while (!seen('disconnected', 'CLIENT_HEARTBEAT_LOST')) await new Promise((resolve) => setTimeout(resolve, 20))
  control.thaw()
  await move(1)
  t.equal(await afterThaw, 2, 'the watch is back, and goes on')
  await move(2)
  t.equal(await nextVersion(), 3)

  await control.stop()
  rmSync(`${folder}/data`, { recursive: true })
  cpSync(`${folder}/copy`, `${folder}/data`, { recursive: true })
  await control.start()
  const afterRestore = nextVersion()
  while (!seen('behind')) await new Promise((resolve) => setTimeout(resolve, 20))
  for (const epoch of [1, 2, 3]) await move(epoch, 'zj')
  while (!seen('refused', 'CLIENT_EPOCH_LOWERED')) await new Promise((resolve) => setTimeout(resolve, 20))
  t.match(await client.status(), { version: 4 }, 'control has forgotten the moves of the other bucket, and counts anew')
  for (const epoch of [1, 2]) await move(epoch)
  t.equal(await afterRestore, 6, 'adopted again once no epoch would go down')
  stop.abort()
  t.equal((await watching.next()).done, true)
})

interface Acknowledged {
  readonly writer: string
  readonly version: number
  readonly entries: readonly Pick<LedgerEntry, 'space' | 'bucket' | 'epoch' | 'owner'>[]
}

/** What two writers were told, and what became unclear. */
interface Journal {
  readonly ledger: Acknowledged[]
  readonly topologies: number[]
  readonly tokens: string[]
  lost: number
  interrupted: number
}

t.test('kill -9 at random moments under two writers: nothing acknowledged is lost', async (t) => {
  await using control = await makeControlProcess({ folder: t.testdir({}) })
  await control.start()
  const token = readFileSync(control.tokenFile, 'utf8').trim()
  await using client = createControlClient({ urls: [control.url], token })
  await client.applyTopology({ text: exampleTopology(), reason: 'first', ifMatch: 0 })
  const stop = new AbortController()
  const journal: Journal = { ledger: [], topologies: [1], tokens: [], lost: 0, interrupted: 0 }
  const writers = ['ann', 'bob'].map((writer) => keepWriting({ url: control.url, token, writer, journal, signal: stop.signal }))
  const watcher = keepWatching({ url: control.url, token, signal: stop.signal })
  const startedMs = performance.now()
  let kills = 0
  const highest = new Map<string, number>()
  while (kills < KILL_ROUNDS_MIN || (kills < KILL_ROUNDS_MAX && performance.now() - startedMs < KILL_BUDGET_MS)) {
    await busyAgain(journal)
    await control.kill()
    kills += 1
    const told = { ledger: [...journal.ledger], topologies: [...journal.topologies], tokens: [...journal.tokens] }
    await control.start()
    const { buckets, version } = await client.buckets({})
    const epochs = new Map(buckets.map(({ space, bucket, epoch }) => [`${space}/${bucket}`, epoch as number]))
    for (const [bucket, epoch] of highest)
      if ((epochs.get(bucket) ?? 0) < epoch) t.fail('an epoch went down', { bucket, epoch, now: epochs.get(bucket) })
    for (const [bucket, epoch] of epochs) highest.set(bucket, epoch)
    for (const { entries, version: toldVersion } of told.ledger) {
      if (version < toldVersion) t.fail('an acknowledged version is gone', { version, toldVersion })
      for (const { space, bucket, epoch } of entries)
        if ((epochs.get(`${space}/${bucket}`) ?? 0) < epoch) t.fail('an acknowledged epoch is gone', { space, bucket, epoch })
    }
    const ids = new Set((await client.tokens.list()).map(({ id }) => id))
    for (const id of told.tokens) if (!ids.has(id)) t.fail('an acknowledged token is gone', { id })
  }
  stop.abort()
  await Promise.all(writers)
  const seen = await watcher
  const verdict = await client.audit.verify()
  t.match(verdict, { ok: true }, 'the audit chain is whole')
  checkAudit(t, { records: await readAll(client), journal })
  checkWatch(t, seen)
  t.ok(journal.ledger.length >= kills * CHANGES_PER_ROUND, `${journal.ledger.length} changes were acknowledged, ${journal.lost} races were lost`)
  t.ok(journal.lost > 0, 'the writers raced')
  t.ok(
    journal.interrupted > 0 || seen.disconnected >= kills,
    `the kills landed: ${journal.interrupted} calls interrupted, ${seen.disconnected} watches cut`
  )
  t.ok(journal.topologies.length > 1, `${journal.topologies.length} topologies`)
  t.comment({
    kills,
    acknowledged: journal.ledger.length,
    lost: journal.lost,
    interrupted: journal.interrupted,
    topologies: journal.topologies.length,
    audit: verdict.records,
    watched: seen.versions.length
  })
})

const CHANGES_PER_ROUND = 5

/** A kill means something only when it hits work: a few changes after the restart, and then at any moment. */
async function busyAgain(journal: Journal): Promise<void> {
  const before = journal.ledger.length
  while (journal.ledger.length < before + CHANGES_PER_ROUND) await new Promise((resolve) => setTimeout(resolve, 5))
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 300))
}

interface WriterOptions {
  readonly url: string
  readonly token: string
  readonly writer: string
  readonly journal: Journal
  readonly signal: AbortSignal
}

/** Both writers want the same four buckets, so that they race for each epoch. */
async function keepWriting({ url, token, writer, journal, signal }: WriterOptions): Promise<void> {
  await using client = createControlClient({ urls: [url], token, timeoutMs: 3000 })
  for (let turn = 0; !signal.aborted; turn += 1) {
    try {
      if (turn % 10 === 3) await applyOnce(client, journal)
      else if (turn % 10 === 7) journal.tokens.push((await client.tokens.create({ name: `${writer} ${turn}`, role: 'viewer' })).id)
      else await changeOnce(client, { writer, journal })
    } catch (error) {
      const { code = '' } = error as { code?: string }
      if (code === 'CTL_EPOCH_CONFLICT' || code === 'CTL_VERSION_STALE') journal.lost += 1
      else if (code.startsWith('CLIENT_')) {
        journal.interrupted += 1
        await new Promise((resolve) => setTimeout(resolve, 50))
      } else throw error
    }
  }
}

async function changeOnce(client: ControlClient, { writer, journal }: { writer: string; journal: Journal }): Promise<void> {
  const { buckets } = await client.buckets({ space: 'areas' })
  const wanted = buckets.filter(() => Math.random() < 0.5)
  if (wanted.length === 0) return
  const changes = wanted.map(({ space, bucket, epoch, owner }): LedgerChange => {
    const to = owner === 'beijing' ? 'shanghai' : 'beijing'
    const state = Math.random() < 0.5 ? ({ kind: 'owned' } as const) : ({ kind: 'moving', from: to as CellId, to: owner, shift: writer } as const)
    return { space, bucket, expectedEpoch: epoch, owner: to, state }
  })
  const { version, entries } = await client.changeLedger({ changes, reason: writer })
  journal.ledger.push({ writer, version, entries })
}

async function applyOnce(client: ControlClient, journal: Journal): Promise<void> {
  const current = await client.topology()
  const { version, changed } = await client.applyTopology({
    text: exampleTopology({ weight: 1 + Math.floor(Math.random() * 9) }),
    reason: 'weight',
    ifMatch: current?.version ?? 0
  })
  if (changed) journal.topologies.push(version)
}

async function readAll(client: ControlClient): Promise<AuditRecord[]> {
  const records: AuditRecord[] = []
  for (let after: number | null = 0; after !== null; ) {
    const page = await client.audit.list({ after, limit: 500 })
    records.push(...page.records)
    after = page.next
  }
  return records
}

/** The audit log is the whole story: each epoch of each bucket once and in order, and everything that was acknowledged. */
function checkAudit(t: Tap, { records, journal }: { records: readonly AuditRecord[]; journal: Journal }): void {
  const done = records.filter(({ outcome }) => outcome === 'done')
  const epochs = new Map<string, number>()
  const written = new Map<string, string>()
  for (const { after, reason } of done.filter(({ action }) => action === 'ledger.change')) {
    for (const { space, bucket, epoch } of after as LedgerEntry[]) {
      const name = `${space}/${bucket}`
      if (epoch !== (epochs.get(name) ?? 1) + 1) t.fail('an epoch was skipped or given twice', { name, epoch, before: epochs.get(name) })
      epochs.set(name, epoch)
      written.set(`${name} ${epoch}`, reason ?? '')
    }
  }
  for (const { writer, entries } of journal.ledger) {
    for (const { space, bucket, epoch } of entries) {
      if (written.get(`${space}/${bucket} ${epoch}`) !== writer)
        t.fail('an acknowledged change belongs to nobody, or to the other writer', { space, bucket, epoch, writer })
    }
  }
  const versions = new Set(done.filter(({ action }) => action === 'topology.apply').map(({ after }) => (after as { version: number }).version))
  for (const version of journal.topologies) if (!versions.has(version)) t.fail('an acknowledged topology is not in the audit log', { version })
  const claims = journal.ledger.flatMap(({ entries }) => entries.map(({ space, bucket, epoch }) => `${space}/${bucket} ${epoch}`))
  t.equal(new Set(claims).size, claims.length, 'no epoch was acknowledged to two writers')
}

interface Seen {
  readonly versions: number[]
  disconnected: number
  lowered: number
}

async function keepWatching({ url, token, signal }: { url: string; token: string; signal: AbortSignal }): Promise<Seen> {
  await using client = createControlClient({ urls: [url], token })
  const seen: Seen = { versions: [], disconnected: 0, lowered: 0 }
  const onState = ({ kind }: WatchState): void => {
    if (kind === 'disconnected') seen.disconnected += 1
    if (kind === 'refused' || kind === 'behind') seen.lowered += 1
  }
  const tuning = { backoffFirstMs: 50, backoffMaxMs: 200 }
  for await (const snapshot of client.watchSnapshots({ have: 0, member: 'watcher', kind: 'cli', cell: 'beijing', signal, onState, tuning }))
    seen.versions.push(snapshot.version)
  return seen
}

function checkWatch(t: Tap, { versions, disconnected, lowered }: Seen): void {
  t.ok(
    versions.every((version, at) => at === 0 || version > (versions[at - 1] ?? 0)),
    'the watch gave newer versions only'
  )
  t.equal(lowered, 0, 'control never knew less than it had told')
  t.ok(disconnected >= KILL_ROUNDS_MIN && versions.length > KILL_ROUNDS_MIN, `${versions.length} versions over ${disconnected} interruptions`)
}

type Tap = Pick<typeof t, 'ok' | 'equal' | 'fail'>

import { isCellwayError } from '@cellway/base'
import fc from 'fast-check'
import type { Test } from 'tap'
import type { CommitRequest, Store, WatchBatch, WatchEvent } from './store.ts'
import { COMMIT_OPERATIONS_MAX, LIST_LIMIT_MAX, VALUE_BYTES_MAX } from './store.ts'

export interface StoreFactory {
  readonly name: string
  /** An empty store; disposed of by the suite. */
  open(options: { readonly historyCommitsMax?: number }): Promise<Store>
}

/** What every adapter of the store must do. `t.test` of tap carries it, one subtest per promise. */
export async function testStoreContract(t: Test, factory: StoreFactory): Promise<void> {
  await t.test(`${factory.name}: get, list, commit`, async (t) => testReadsAndWrites(t, factory))
  await t.test(`${factory.name}: compare and conflict`, async (t) => testConflicts(t, factory))
  await t.test(`${factory.name}: bounds and refusals`, async (t) => testRefusals(t, factory))
  await t.test(`${factory.name}: watch`, async (t) => testWatch(t, factory))
  await t.test(`${factory.name}: watch under concurrent commits`, async (t) => testConcurrentWatch(t, factory))
  await t.test(`${factory.name}: compaction`, async (t) => testCompaction(t, factory))
  await t.test(`${factory.name}: close`, async (t) => testClose(t, factory))
  await t.test(`${factory.name}: agrees with a dumb twin`, async (t) => testAgainstTwin(t, factory))
}

async function testReadsAndWrites(t: Test, { open }: StoreFactory): Promise<void> {
  await using store = await open({})
  t.equal(await store.revision(), 0, 'an empty store is at revision 0')
  t.equal(await store.get('a'), undefined)
  t.same(await store.commit({ puts: [put('b/2', 'two'), put('a/1', 'one'), put('b/1', '')] }), { kind: 'committed', revision: 1 })
  t.same(await store.commit({ puts: [put('b/2', 'zwei ✓ \u0000 \u{1f600}')], deletes: ['a/1', 'absent'] }), { kind: 'committed', revision: 2 })
  t.same(await store.get('b/2'), { key: 'b/2', value: 'zwei ✓ \u0000 \u{1f600}', revision: 2 }, 'text comes back as it was')
  t.same(await store.get('b/1'), { key: 'b/1', value: '', revision: 1 }, 'an untouched key keeps its revision')
  t.equal(await store.get('a/1'), undefined)
  t.same(await store.commit({ deletes: ['absent'] }), { kind: 'committed', revision: 2 }, 'nothing changed, no revision')
  t.same(await store.commit({}), { kind: 'committed', revision: 2 })

  await store.commit({ puts: [put('b', 'x'), put('b~', 'x'), put('b/10', 'x'), put('c', 'x'), put('B/1', 'x')] })
  const keys = async (prefix: string, limit: number, after?: string): Promise<unknown[]> => {
    const page = await store.list(prefix, after === undefined ? { limit } : { limit, after })
    return [page.entries.map((entry) => entry.key).join(' '), page.more, page.revision]
  }
  t.same(await keys('b/', 10), ['b/1 b/10 b/2', false, 3], 'byte order')
  t.same(await keys('b/', 2), ['b/1 b/10', true, 3])
  t.same(await keys('b/', 2, 'b/10'), ['b/2', false, 3])
  t.same(await keys('', 100), ['B/1 b b/1 b/10 b/2 b~ c', false, 3], 'the empty prefix is everything')
  t.same(await keys('b', 3, 'a'), ['b b/1 b/10', true, 3], 'a cursor before the prefix')
  t.same(await keys('x', 3), ['', false, 3])
}

async function testConflicts(t: Test, { open }: StoreFactory): Promise<void> {
  await using store = await open({})
  await store.commit({ puts: [put('a', '1'), put('b', '1')] })
  const refused = await store.commit({
    compare: [
      { key: 'a', revision: 1 },
      { key: 'b', revision: 7 },
      { key: 'c', revision: 1 },
      { key: 'a', absent: true },
      { key: 'd', absent: true }
    ],
    puts: [put('a', '2'), put('z', '2')],
    deletes: ['b']
  })
  t.same(refused, { kind: 'conflict', revision: 1, keys: ['b', 'c', 'a'] }, 'every failing key is named')
  t.equal((await store.get('a'))?.value, '1')
  t.equal((await store.get('b'))?.value, '1')
  t.equal(await store.get('z'), undefined, 'nothing of it is stored')
  t.equal(await store.revision(), 1)
  const racing = await Promise.all(
    [0, 1, 2, 3].map((racer) => store.commit({ compare: [{ key: 'a', revision: 1 }], puts: [put('a', `racer ${racer}`)] }))
  )
  t.equal(racing.filter((result) => result.kind === 'committed').length, 1, 'of equal comparisons one wins')
  t.equal((await store.commit({ compare: [{ key: 'e', absent: true }], puts: [put('e', '')] })).kind, 'committed')
}

async function testRefusals(t: Test, { open }: StoreFactory): Promise<void> {
  await using store = await open({})
  const refusals: [string, CommitRequest, string][] = [
    ['empty key', { puts: [put('', 'x')] }, 'STORE_REQUEST_INVALID'],
    ['space in a key', { puts: [put('a b', 'x')] }, 'STORE_REQUEST_INVALID'],
    ['non-ASCII key', { puts: [put('é', 'x')] }, 'STORE_REQUEST_INVALID'],
    ['line end behind a key', { puts: [put('a\n', 'x')] }, 'STORE_REQUEST_INVALID'],
    ['key written twice', { puts: [put('a', '1'), put('a', '2')] }, 'STORE_REQUEST_INVALID'],
    ['key put and deleted', { puts: [put('a', '1')], deletes: ['a'] }, 'STORE_REQUEST_INVALID'],
    ['lone surrogate', { puts: [put('a', '\ud800')] }, 'STORE_REQUEST_INVALID'],
    ['revision 0 compared', { compare: [{ key: 'a', revision: 0 }] }, 'STORE_REQUEST_INVALID'],
    ['value too large', { puts: [put('b', 'x'), put('a', 'é'.repeat(VALUE_BYTES_MAX / 2 + 1))] }, 'STORE_VALUE_TOO_LARGE'],
    ['too many operations', { deletes: Array.from({ length: COMMIT_OPERATIONS_MAX + 1 }, (_, at) => `k${at}`) }, 'STORE_COMMIT_TOO_LARGE'],
    ['too many bytes', { puts: Array.from({ length: 9 }, (_, at) => put(`k${at}`, 'x'.repeat(VALUE_BYTES_MAX))) }, 'STORE_COMMIT_TOO_LARGE']
  ]
  for (const [name, request, code] of refusals) await t.rejects(store.commit(request), { code }, name)
  await t.rejects(store.list('', { limit: 0 }), { code: 'STORE_REQUEST_INVALID' })
  await t.rejects(store.list('', { limit: LIST_LIMIT_MAX + 1 }), { code: 'STORE_REQUEST_INVALID' })
  t.equal(await store.revision(), 0, 'a refused commit leaves nothing')
  const largest = 'é'.repeat(VALUE_BYTES_MAX / 2)
  await store.commit({ puts: [put('a', largest)] })
  t.ok((await store.get('a'))?.value === largest, 'the bound itself is allowed')
}

async function testWatch(t: Test, { open }: StoreFactory): Promise<void> {
  await using store = await open({})
  await store.commit({ puts: [put('a/1', 'old'), put('b/1', 'old')] })
  await store.commit({ puts: [put('b/2', 'x')] })
  await store.commit({ puts: [put('a/2', 'new')], deletes: ['a/1', 'b/1'] })
  const past = await collect(store, 'a/', { fromRevision: 1, count: 2 })
  t.same(past, [
    { revision: 1, events: [put1('a/1', 'old')] },
    { revision: 3, events: [put1('a/2', 'new'), { kind: 'delete', key: 'a/1' }] }
  ])
  t.same(await collect(store, 'a/', { fromRevision: 2, count: 1 }), past.slice(1), 'resumed in the middle')
  const coming = collect(store, '', { fromRevision: 4, count: 2 })
  await store.commit({ puts: [put('a/1', 'again')] })
  await store.commit({ deletes: ['absent'] })
  await store.commit({ puts: [put('c', '')] })
  t.same(
    (await coming).map((batch) => batch.revision),
    [4, 5],
    'a commit without effect is not seen'
  )
  const stop = new AbortController()
  const waiting = collect(store, '', { fromRevision: 6, count: 1, signal: stop.signal })
  stop.abort()
  t.same(await waiting, [], 'the signal ends a waiting watch')
  t.same(await collect(store, '', { fromRevision: 1, count: 1, signal: AbortSignal.abort() }), [], 'the signal was aborted before')
  await t.rejects(collect(store, '', { fromRevision: 7, count: 1 }), { code: 'STORE_REVISION_AHEAD', details: { fromRevision: 7, revision: 5 } })
}

/** Ordered, unique, whole: readers that start at different times and read at different speeds all see the same commits. */
async function testConcurrentWatch(t: Test, { open }: StoreFactory): Promise<void> {
  await using store = await open({})
  const commits = 60
  const readers = Array.from({ length: 5 }, (_, reader) => collect(store, 'pair/', { fromRevision: 1, count: commits, pauseEvery: reader * 3 }))
  for (let at = 1; at <= commits; at += 1) {
    await store.commit({ puts: [put('pair/left', String(at)), put('other', ''), put('pair/right', String(at))] })
    if (at % 20 === 0) readers.push(collect(store, 'pair/', { fromRevision: 1, count: commits }))
  }
  for (const [reader, batches] of (await Promise.all(readers)).entries()) {
    const want = Array.from({ length: commits }, (_, at) => ({
      revision: at + 1,
      events: [put1('pair/left', String(at + 1)), put1('pair/right', String(at + 1))]
    }))
    t.same(batches, want, `reader ${reader} sees each commit once, in order and whole`)
  }
}

async function testCompaction(t: Test, { open }: StoreFactory): Promise<void> {
  await using store = await open({ historyCommitsMax: 5 })
  const stop = new AbortController()
  const slow = store.watch('', { fromRevision: 1, signal: stop.signal })
  for (let at = 1; at <= 20; at += 1) await store.commit({ puts: [put('k', String(at))] })
  await t.rejects(collect(store, '', { fromRevision: 15, count: 1 }), { code: 'STORE_COMPACTED', details: { fromRevision: 15, oldestRevision: 16 } })
  t.same((await collect(store, '', { fromRevision: 16, count: 5 })).length, 5, 'what is kept can be resumed from')
  await t.rejects(slow.next(), { code: 'STORE_COMPACTED' }, 'a slow reader is told, not queued for')
  const page = await store.list('', { limit: 10 })
  const next = collect(store, '', { fromRevision: page.revision + 1, count: 1 })
  await store.commit({ puts: [put('k', 'after')] })
  t.same(await next, [{ revision: 21, events: [put1('k', 'after')] }], 'list and watch again goes on without a gap')
  stop.abort()
}

async function testClose(t: Test, { open }: StoreFactory): Promise<void> {
  const store = await open({})
  await store.commit({ puts: [put('a', '1')] })
  const waiting = collect(store, '', { fromRevision: 2, count: 1 })
  await Promise.all([store[Symbol.asyncDispose](), t.rejects(waiting, { code: 'STORE_CLOSED' }, 'a waiting watch is told')])
  await t.rejects(store.get('a'), { code: 'STORE_CLOSED' })
  await t.rejects(store.commit({ puts: [put('a', '2')] }), { code: 'STORE_CLOSED' })
  await t.rejects(store.list('', { limit: 1 }), { code: 'STORE_CLOSED' })
  await store[Symbol.asyncDispose]()
}

const KEYS = ['a', 'a/', 'a/b', 'ab', 'b', 'b/c', '~']
const keyOf = fc.constantFrom(...KEYS)
const commitOf = fc.record({
  // `back` counts from the newest revision, so that about half of the comparisons hold.
  compare: fc.array(fc.record({ key: keyOf, back: fc.option(fc.nat(3)) }), { maxLength: 2 }),
  puts: fc.uniqueArray(fc.record({ key: keyOf, value: fc.string({ unit: 'binary', maxLength: 4 }) }), {
    selector: (entry) => entry.key,
    maxLength: 3
  }),
  deletes: fc.uniqueArray(keyOf, { maxLength: 2 })
})

/** The twin keeps every version of the whole map; slow and obvious. */
async function testAgainstTwin(t: Test, { open }: StoreFactory): Promise<void> {
  const property = fc.asyncProperty(fc.array(commitOf, { maxLength: 25 }), fc.nat(), keyOf, async (commits, pick, prefix) => {
    await using store = await open({})
    const versions = [new Map<string, { value: string; revision: number }>()]
    for (const { compare, puts, deletes } of commits) {
      const before = versions.at(-1) ?? new Map()
      const request = {
        compare: compare.map(({ key, back }) =>
          back === null || versions.length - 1 - back < 1 ? { key, absent: true as const } : { key, revision: versions.length - 1 - back }
        ),
        puts,
        deletes: deletes.filter((key) => !puts.some((written) => written.key === key))
      }
      const conflicts = request.compare.filter(({ key, revision }) => before.get(key)?.revision !== revision).map(({ key }) => key)
      const changes = conflicts.length === 0 && (puts.length > 0 || request.deletes.some((key) => before.has(key)))
      const result = await store.commit(request)
      const revision = versions.length - 1 + (changes ? 1 : 0)
      same(result, conflicts.length > 0 ? { kind: 'conflict', revision, keys: conflicts } : { kind: 'committed', revision })
      if (!changes) continue
      const after = new Map(before)
      for (const { key, value } of puts) after.set(key, { value, revision })
      for (const key of request.deletes) after.delete(key)
      versions.push(after)
    }
    const newest = versions.length - 1
    const last = versions.at(-1) ?? new Map()
    const sorted = [...last]
      .sort(([left], [right]) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
      .map(([key, entry]) => ({ key, ...entry }))
    same(await store.list('', { limit: 100 }), { revision: newest, entries: sorted, more: false })
    same(
      (await store.list(prefix, { limit: 100 })).entries,
      sorted.filter((entry) => entry.key.startsWith(prefix))
    )
    for (const key of KEYS)
      same(
        await store.get(key),
        sorted.find((entry) => entry.key === key)
      )
    // Replaying the watch from any version must rebuild the newest one.
    const from = pick % versions.length
    const replayed = new Map([...(versions[from] ?? [])].map(([key, entry]) => [key, entry.value]))
    const batches = await collect(store, '', { fromRevision: from + 1, count: newest - from })
    same(
      batches.map((batch) => batch.revision),
      Array.from({ length: newest - from }, (_, at) => from + 1 + at)
    )
    for (const event of batches.flatMap((batch) => batch.events))
      event.kind === 'put' ? replayed.set(event.key, event.value) : replayed.delete(event.key)
    same(new Map([...replayed].sort()), new Map(sorted.map((entry) => [entry.key, entry.value])))
  })
  const result = await fc.check(property, { numRuns: 150, interruptAfterTimeLimit: 5000, markInterruptAsFailure: false })
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? `seed ${result.seed}, ${result.numRuns} runs`)
  t.ok(result.numRuns >= 10, `seed ${result.seed}, ${result.numRuns} runs: enough to mean something`)
}

interface CollectOptions {
  readonly fromRevision: number
  readonly count: number
  readonly signal?: AbortSignal
  readonly pauseEvery?: number
}

async function collect(
  store: Store,
  prefix: string,
  { fromRevision, count, signal = AbortSignal.timeout(10_000), pauseEvery = 0 }: CollectOptions
): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = []
  if (count === 0) return batches
  for await (const batch of store.watch(prefix, { fromRevision, signal })) {
    batches.push(batch)
    if (batches.length === count) break
    if (pauseEvery > 0 && batches.length % pauseEvery === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return batches
}

function put(key: string, value: string): { key: string; value: string } {
  return { key, value }
}

function put1(key: string, value: string): WatchEvent {
  return { kind: 'put', key, value }
}

function same(found: unknown, wanted: unknown): void {
  const [left, right] = [found, wanted].map((value) => JSON.stringify(value instanceof Map ? [...value] : value))
  if (left !== right) throw new Error(`found ${left}, wanted ${right}`)
}

/** For adapters' own tests: the code of what a call throws. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (cause) {
    return isCellwayError(cause) ? cause.code : String(cause)
  }
}

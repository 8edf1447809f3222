import t from 'tap'
import { createMemoryStore } from './memory.ts'
import { listAll, openMirror } from './mirror.ts'
import type { Store } from './store.ts'

const signal = AbortSignal.timeout(20_000)

t.test('a mirror follows whole commits, through compaction too', async (t) => {
  await using store = createMemoryStore({ historyCommitsMax: 2 })
  await store.commit({
    puts: [
      { key: 'a/1', value: '1' },
      { key: 'b', value: 'not ours' }
    ]
  })
  const seen: string[] = []
  await using mirror = await openMirror(store, {
    prefix: 'a/',
    onChange: (entries, revision) => seen.push(`${revision}:${[...entries].map(([key, entry]) => `${key}=${entry.value}`).join(',')}`)
  })
  t.same(seen, ['1:a/1=1'])
  const result = await store.commit({ puts: [{ key: 'a/2', value: '2' }], deletes: ['a/1'] })
  await mirror.waitFor(result.revision, signal)
  t.same(seen, ['1:a/1=1', '2:a/2=2'])
  // More commits in one turn than the history keeps: the mirror must list again.
  const last = await Promise.all(Array.from({ length: 10 }, (_, at) => store.commit({ puts: [{ key: `a/${at}`, value: 'x' }] })))
  await mirror.waitFor(last.at(-1)?.revision ?? 0, signal)
  t.equal(mirror.entries.size, 10)
  t.equal(mirror.revision(), 12)
  await t.rejects(mirror.waitFor(99, AbortSignal.abort()), { name: 'AbortError' }, 'aborted before')
  const stop = new AbortController()
  setImmediate(() => stop.abort())
  await t.rejects(mirror.waitFor(99, stop.signal), { name: 'AbortError' }, 'aborted while waiting')
})

t.test('a mirror whose store closes ends with the reason', async (t) => {
  const store = createMemoryStore()
  const mirror = await openMirror(store, { prefix: '', onChange: () => undefined })
  const waiting = mirror.waitFor(5, signal)
  await Promise.all([store[Symbol.asyncDispose](), t.rejects(mirror.ended, { code: 'STORE_CLOSED' }), t.rejects(waiting, { code: 'STORE_CLOSED' })])
})

t.test('listAll never mixes two revisions', async (t) => {
  await using store = createMemoryStore()
  const write = async (value: string): Promise<unknown> => store.commit({ puts: Array.from({ length: 10 }, (_, at) => ({ key: `k${at}`, value })) })
  await write('0')
  let interruptions = 5
  const disturbed: Store = {
    ...store,
    list: async (prefix, options) => {
      const page = await store.list(prefix, options)
      interruptions -= 1
      if (interruptions >= 0) await write(String(interruptions))
      return page
    }
  }
  const listed = await listAll(disturbed, '', { pageSize: 3 })
  t.equal(listed.entries.length, 10)
  t.equal(new Set(listed.entries.map((entry) => entry.value)).size, 1, 'one revision only')
  const restless: Store = {
    ...store,
    list: async (prefix, options) => {
      await write('again')
      return store.list(prefix, options)
    }
  }
  await t.rejects(listAll(restless, '', { pageSize: 3 }), { code: 'STORE_LIST_UNSTABLE' })
})

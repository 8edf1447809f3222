import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { codeOf, testStoreContract } from './contract.ts'
import { openEmbeddedStore } from './embedded.ts'

const root = t.testdir({})
const newFolder = (): string => path.join(root, randomUUID())

await testStoreContract(t, { name: 'embedded', open: async (options) => openEmbeddedStore({ folder: newFolder(), ...options }) })

t.test('a reopened store has everything, and watchers resume', async (t) => {
  const folder = newFolder()
  {
    await using store = openEmbeddedStore({ folder })
    await store.commit({ puts: [{ key: 'a', value: '1' }] })
    await store.commit({ puts: [{ key: 'b', value: '2' }], deletes: ['a'] })
  }
  await using store = openEmbeddedStore({ folder })
  t.equal(await store.revision(), 2)
  t.same(await store.list('', { limit: 10 }), { revision: 2, entries: [{ key: 'b', value: '2', revision: 2 }], more: false })
  const watch = store.watch('', { fromRevision: 2, signal: AbortSignal.timeout(5000) })
  t.same((await watch.next()).value, {
    revision: 2,
    events: [
      { kind: 'put', key: 'b', value: '2' },
      { kind: 'delete', key: 'a' }
    ]
  })
  t.same(await store.commit({ compare: [{ key: 'b', revision: 2 }], puts: [{ key: 'b', value: '3' }] }), { kind: 'committed', revision: 3 })
})

t.test('the history on disk is trimmed with the one in memory', async (t) => {
  const folder = newFolder()
  {
    await using store = openEmbeddedStore({ folder, historyCommitsMax: 3 })
    for (let at = 0; at < 50; at += 1) await store.commit({ puts: [{ key: 'a', value: String(at) }] })
  }
  const database = new DatabaseSync(path.join(folder, 'control.db'))
  const kept = Number(database.prepare('SELECT count(*) AS kept FROM history').get()?.kept)
  database.close()
  t.ok(kept >= 3 && kept <= 4, `${kept} commits kept`)
})

t.test('a second opener is refused', async (t) => {
  const folder = newFolder()
  const store = openEmbeddedStore({ folder })
  t.equal(
    codeOf(() => openEmbeddedStore({ folder })),
    'STORE_LOCKED',
    'in the same process'
  )
  const code = `
    import { openEmbeddedStore } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)}
    try { openEmbeddedStore({ folder: process.argv[1] }); console.log('opened') } catch (error) { console.log(error.code) }`
  const other = (): string =>
    execFileSync(process.execPath, ['--input-type=module', '-e', code, folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  t.equal(other(), 'STORE_LOCKED', 'in another process')
  await store.commit({ puts: [{ key: 'a', value: 'still works' }] })
  await store[Symbol.asyncDispose]()
  t.equal(other(), 'opened', 'once the first has closed')
})

t.test('no warning is printed', async (t) => {
  const code = `import ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)}`
  const stderr = execFileSync(process.execPath, ['--input-type=module', '-e', `${code}; process.on('warning', (w) => { console.log(w.name) })`], {
    encoding: 'utf8'
  })
  t.equal(stderr, '')
})

t.test('foreign and damaged files are refused by name', async (t) => {
  const foreign = newFolder()
  {
    await using _store = openEmbeddedStore({ folder: foreign })
  }
  const change = (folder: string, sql: string): void => {
    const database = new DatabaseSync(path.join(folder, 'control.db'))
    database.exec(sql)
    database.close()
  }
  change(foreign, 'PRAGMA user_version = 99')
  t.equal(
    codeOf(() => openEmbeddedStore({ folder: foreign })),
    'STORE_FORMAT_UNKNOWN',
    'a newer format'
  )
  change(foreign, 'PRAGMA application_id = 7')
  t.equal(
    codeOf(() => openEmbeddedStore({ folder: foreign })),
    'STORE_FORMAT_UNKNOWN',
    'a file of another program'
  )

  const damaged = newFolder()
  {
    await using store = openEmbeddedStore({ folder: damaged })
    for (let at = 0; at < 200; at += 1) await store.commit({ puts: [{ key: `k${at}`, value: 'x'.repeat(400) }] })
  }
  const file = path.join(damaged, 'control.db')
  const bytes = readFileSync(file)
  t.ok(bytes.length > 16 * 4096, 'there is something to damage')
  writeFileSync(file, bytes.fill(0xa5, 2 * 4096, bytes.length - 4096))
  t.equal(
    codeOf(() => openEmbeddedStore({ folder: damaged })),
    'STORE_CORRUPT'
  )
  writeFileSync(file, 'this is no database, but it is long enough to be taken for one at first sight'.repeat(100))
  t.equal(
    codeOf(() => openEmbeddedStore({ folder: damaged })),
    'STORE_CORRUPT'
  )
})

t.test('a full disk refuses the commit, keeps what is there and goes on', async (t) => {
  await using store = openEmbeddedStore({ folder: newFolder(), fileBytesMax: 256 * 1024, historyBytesMax: 1024 })
  await store.commit({ puts: [{ key: 'small', value: 'kept' }] })
  await t.rejects(store.commit({ puts: [{ key: 'large', value: 'x'.repeat(400_000) }] }), { code: 'STORE_FULL' })
  t.equal(await store.revision(), 1)
  t.equal(await store.get('large'), undefined)
  t.equal((await store.get('small'))?.value, 'kept')
  t.same(await store.commit({ puts: [{ key: 'small', value: 'again' }] }), { kind: 'committed', revision: 2 }, 'a commit that fits still works')
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { openEmbeddedStore } from './embedded.ts'
import { listAll } from './mirror.ts'

/** Commits of 1 to 40 puts with one number, as fast as it can; prints a line for each that was acknowledged. */
const WRITER = `
  import { openEmbeddedStore } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)}
  import { writeSync } from 'node:fs'
  const [folder, round] = process.argv.slice(1)
  const store = openEmbeddedStore({ folder })
  writeSync(1, 'ready\\n')
  for (let at = 0; ; at += 1) {
    const size = 1 + ((at * 7) % 40)
    const puts = Array.from({ length: size }, (_, part) => ({ key: 'commit/' + round + '/' + at + '/' + part, value: size + '/' + 'x'.repeat(at % 300) }))
    const { revision } = await store.commit({ puts: [...puts, { key: 'last', value: round + '/' + at }] })
    writeSync(1, round + ' ' + at + ' ' + size + ' ' + revision + '\\n')
  }`

const ROUNDS_MIN = 5
const ROUNDS_MAX = 40
const BUDGET_MS = 10_000

t.test('kill -9 at random moments loses no acknowledged commit and leaves no half of one', async (t) => {
  const folder = path.join(t.testdir({}), 'store')
  const startedMs = performance.now()
  const acknowledged: { round: number; at: number; size: number; revision: number }[] = []
  let rounds = 0
  let lastRevision = 0
  while (rounds < ROUNDS_MIN || (rounds < ROUNDS_MAX && performance.now() - startedMs < BUDGET_MS)) {
    rounds += 1
    acknowledged.push(...(await runAndKill(folder, rounds)))
    await using store = openEmbeddedStore({ folder })
    const revision = await store.revision()
    const newest = acknowledged.at(-1)?.revision ?? 0
    // Each kill may leave one commit more than was acknowledged: it was durable, but its line was not printed yet.
    if (revision < newest || revision < lastRevision || revision > Math.max(newest, lastRevision) + 1)
      t.fail('the revision', { rounds, revision, newest, lastRevision })
    lastRevision = revision
    const commits = new Map<string, { sizes: Set<number>; parts: number; revisions: Set<number> }>()
    for (const entry of (await listAll(store, 'commit/')).entries) {
      const [, round, at] = entry.key.split('/')
      const commit = commits.get(`${round} ${at}`) ?? { sizes: new Set(), parts: 0, revisions: new Set() }
      commit.parts += 1
      commit.sizes.add(Number(entry.value.split('/')[0]))
      commit.revisions.add(entry.revision)
      commits.set(`${round} ${at}`, commit)
    }
    const halves = [...commits].filter(([, commit]) => commit.sizes.size !== 1 || !commit.sizes.has(commit.parts) || commit.revisions.size !== 1)
    if (halves.length > 0) t.fail('half a commit', { halves: halves.map(([name]) => name) })
    const missing = acknowledged.filter(({ round, at, size, revision }) => {
      const commit = commits.get(`${round} ${at}`)
      return commit === undefined || commit.parts !== size || !commit.revisions.has(revision)
    })
    if (missing.length > 0) t.fail('an acknowledged commit is missing', { missing })
  }
  t.comment(`${rounds} rounds, ${acknowledged.length} acknowledged commits, revision ${lastRevision}`)
  t.ok(acknowledged.length >= rounds * 3, 'enough was written for the kills to land in something')
})

async function runAndKill(folder: string, round: number): Promise<{ round: number; at: number; size: number; revision: number }[]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, folder, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines: string[] = []
  // Counted in commits and not only in time, so that a kill hits work on a busy machine too.
  const commits = 1 + Math.floor(Math.random() * 60)
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'ready') lines.push(line)
    if (lines.length === commits) setTimeout(() => child.kill('SIGKILL'), Math.random() * 10)
  }
  await exited
  // The last line may have been cut off by the kill.
  return lines
    .map((line) => line.split(' ').map(Number))
    .filter((numbers) => numbers.length === 4)
    .map(([writer = 0, at = 0, size = 0, revision = 0]) => ({ round: writer, at, size, revision }))
}

/** The runner itself must be able to fail: a file that fails, dies, hangs or checks nothing. */
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { summaryOf } from './report.ts'
import { runTestFile } from './tap-file.ts'
import { findTestFiles } from './test-files.ts'

const TAP = fileURLToPath(import.meta.resolve('tap'))
const FILE = { path: 'x.test.mjs', alone: false, timeoutMs: 60_000 }

t.test('every comparison counts, wherever it is nested', async (t) => {
  const result = await runScript(
    t,
    `t.ok(true); t.test('inner', async (t) => { t.equal(1, 1); t.equal(2, 2) }); t.test('later', { skip: true }, async () => {})`
  )
  t.match(result, { passed: 3, skipped: 1, failures: [] })
})

t.test('a failed comparison is named with the tests around it', async (t) => {
  const { passed, failures } = await runScript(t, `t.test('outer', async (t) => { t.test('inner', async (t) => { t.equal(1, 2, 'sums up') }) })`)
  t.equal(passed, 0)
  t.equal(failures.length, 1)
  t.match(failures[0], { name: /outer.*inner.*sums up/, detail: /-1?\n? *-2|\+1|diff/ })
})

t.test('what is not a comparison fails as well', async (t) => {
  const rows: [name: string, script: string, problem: RegExp][] = [
    ['a file without a test', '', /checked nothing/],
    ['a file that throws before its first test', `throw new Error('broken import')`, /broken import|checked nothing|ended/],
    [
      'a file that dies after a good test',
      `t.ok(true); await new Promise((resolve) => setTimeout(resolve, 100)); process.kill(process.pid, 'SIGKILL')`,
      /SIGKILL|plan|ended/
    ],
    ['a test that is not finished', `t.test('waits', async () => { await new Promise(() => {}) })`, /./]
  ]
  for (const [name, script, problem] of rows) {
    const { failures } = await runScript(t, script)
    t.not(failures.length, 0, name)
    t.match(failures.map((failure) => `${failure.name} ${failure.detail}`).join('\n'), problem, name)
  }
})

t.test('a file that hangs is killed, with what it has started', async (t) => {
  const script = `t.ok(true); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`
  const { failures } = await runScript(t, script, { timeoutMs: 1_500 })
  t.match(failures.map(({ name }) => name).join(), /killed after 1.5 s/)
})

t.test('the last line adds up, and nothing at all is no success', async (t) => {
  const base = { path: 'x', tookMs: 1, skipped: 0 }
  t.same(summaryOf([{ ...base, passed: 2, failures: [] }]), { text: '2 passed, 0 failed', ok: true })
  t.same(summaryOf([{ ...base, passed: 2, skipped: 1, failures: [{ name: 'a', detail: '' }] }]), { text: '2 passed, 1 failed, 1 skipped', ok: false })
  t.same(summaryOf([]), { text: '0 passed, 0 failed', ok: false })
  t.same(summaryOf([{ ...base, passed: 0, skipped: 3, failures: [] }]), { text: '0 passed, 0 failed, 3 skipped', ok: false })
})

t.test('files are found by place and pattern; slow ones can be left out', async (t) => {
  const file = (name: string) => ({ [name]: '' })
  const root = t.testdir({
    packages: { base: { src: file('a.test.ts'), node_modules: { src: file('stray.test.ts') } } },
    services: { gateway: { src: { deep: file('b.test.ts') } } },
    test: { integration: file('c.test.ts'), unit: file('d.test.ts'), fixtures: file('no-test.ts') }
  })
  const paths = (patterns: string[], fast = false) => findTestFiles(root, { patterns, fast }).map(({ path }) => path)
  t.same(paths([]), ['packages/base/src/a.test.ts', 'services/gateway/src/deep/b.test.ts', 'test/integration/c.test.ts', 'test/unit/d.test.ts'])
  t.same(paths(['gateway', 'unit']), ['services/gateway/src/deep/b.test.ts', 'test/unit/d.test.ts'])
  t.same(paths([], true), ['packages/base/src/a.test.ts', 'services/gateway/src/deep/b.test.ts', 'test/unit/d.test.ts'])
  t.same(paths(['nothing']), [])
})

function runScript(t: Test, script: string, options: { timeoutMs?: number } = {}) {
  const root = t.testdir({ 'x.test.mjs': `import t from ${JSON.stringify(TAP)}\n${script}\n` })
  return runTestFile({ ...FILE, ...options }, { root, env: process.env })
}

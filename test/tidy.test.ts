import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { errorDefinitions, errorsPage, metricsPage } from '../docs/generate.ts'

/** Rules of the tree that a reader relies on, held by a test instead of by reviewers. */

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Who may import whom (ARCHITECTURE.md, "Packages"). A package that is not listed here may not exist. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  topology: ['base'],
  change: ['base'],
  conflict: ['base', 'change'],
  'mysql-binlog': ['base'],
  'mysql-value': ['base', 'change', 'mysql-binlog'],
  log: ['base', 'change'],
  store: ['base'],
  client: ['base', 'topology'],
  telemetry: ['base'],
  cli: ['base', 'client', 'topology'],
  control: ['base', 'store', 'telemetry', 'topology'],
  gateway: ['base', 'client', 'telemetry', 'topology'],
  center: ['base', 'change', 'log', 'telemetry', 'topology'],
  replicator: ['base', 'change', 'client', 'conflict', 'log', 'mysql-binlog', 'mysql-value', 'telemetry', 'topology'],
  local: ['base', 'cli', 'client', 'topology']
}

/** Pure packages: no I/O, no clock, no randomness. What they may take from node is pure computing. */
const PURE = ['base', 'topology', 'change', 'conflict', 'mysql-binlog', 'mysql-value']
const PURE_NODE_MODULES = ['node:crypto', 'node:zlib', 'node:buffer', 'node:net']

const SOURCE_LINES_MAX = 300

const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' }).split('\0')
const sources = tracked.filter((path) => /^(packages|services|deploy\/local)\/.*\.ts$/.test(path) && exists(path))

t.test('imports point downwards only', async (t) => {
  for (const path of sources) {
    const owner = ownerOf(path)
    const allowed = MAY_IMPORT[owner]
    if (allowed === undefined) {
      t.fail(`${path} belongs to no known package`)
      continue
    }
    for (const name of importsOf(path)) {
      const match = /^@cellway\/([a-z-]+)$/.exec(name)
      if (match?.[1] !== undefined && !path.endsWith('.test.ts') && !allowed.includes(match[1])) t.fail(`${path} imports ${name}`)
      if (name.startsWith('@cellway/') && match === null) t.fail(`${path} reaches into ${name}`)
      if (/^\.\.?\//.test(name) && leavesPackage(path, name)) t.fail(`${path} imports ${name} from outside its package`)
    }
  }
  t.ok(sources.length > 50, `${sources.length} files looked at`)
})

t.test('the import rule can fail', async (t) => {
  t.equal(leavesPackage('services/gateway/src/phases/a.ts', '../../../control/src/b.ts'), true)
  t.equal(leavesPackage('services/gateway/src/phases/a.ts', '../http/b.ts'), false)
  t.notOk(MAY_IMPORT.gateway?.includes('control'), 'a service never imports another')
})

t.test('pure packages have no I/O, no clock and no randomness', async (t) => {
  for (const path of sources.filter((path) => PURE.includes(ownerOf(path)) && !path.endsWith('.test.ts'))) {
    const text = readFileSync(ROOT + path, 'utf8')
    for (const name of importsOf(path)) {
      if (name.startsWith('node:') && !PURE_NODE_MODULES.includes(name)) t.fail(`${path} imports ${name}`)
    }
    // clock.ts is where the port gets its one real implementation.
    if (path !== 'packages/base/src/clock.ts' && /Date\.now\(|new Date\(\)|Math\.random\(|performance\.now\(|randomBytes|setTimeout\(/.test(text)) {
      t.fail(`${path} reads a clock, a timer or randomness`)
    }
  }
})

t.test(`source files have at most ${SOURCE_LINES_MAX} lines, or say why`, async (t) => {
  for (const path of sources.filter((path) => !path.endsWith('.test.ts'))) {
    const lines = readFileSync(ROOT + path, 'utf8').split('\n')
    if (lines.length > SOURCE_LINES_MAX && !/^\/\/ Long because/.test(lines[0] ?? '')) t.fail(`${path} has ${lines.length} lines`)
  }
})

t.test('the pages of errors and metrics are as the tables in the code', async (t) => {
  t.equal(readFileSync(`${ROOT}docs/errors.md`, 'utf8'), await errorsPage(), 'npm run docs mends this')
  t.equal(readFileSync(`${ROOT}docs/metrics.md`, 'utf8'), metricsPage(), 'npm run docs mends this')
})

t.test('no error code is used twice', async (t) => {
  const tables = sources.filter((path) => path.endsWith('/errors.ts') && ownerOf(path) !== 'base')
  const codes = (await Promise.all(tables.map((path) => errorDefinitions(path)))).flat().map(({ code }) => code)
  t.equal(new Set(codes).size, codes.length)
  t.ok(codes.length > 30, `${codes.length} codes`)
})

function exists(path: string): boolean {
  try {
    readFileSync(ROOT + path)
    return true
  } catch {
    return false
  }
}

function ownerOf(path: string): string {
  const [top = '', name = ''] = path.split('/')
  return top === 'deploy' ? 'local' : name
}

function importsOf(path: string): string[] {
  const text = readFileSync(ROOT + path, 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name]) => name ?? '')
}

function leavesPackage(path: string, name: string): boolean {
  const home = path.split('/').slice(0, 2).join('/')
  const resolved = new URL(name, `file:///${path}`).pathname.slice(1)
  return !resolved.startsWith(`${home}/`)
}

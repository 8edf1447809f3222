import { globSync } from 'node:fs'

export interface TestFile {
  /** Relative to the repository. */
  readonly path: string
  /** Starts processes and watches their timing: one such file at a time. */
  readonly alone: boolean
  /** Until the whole file is killed. */
  readonly timeoutMs: number
}

const WHERE = [
  'packages/*/src/**/*.test.ts',
  'services/*/src/**/*.test.ts',
  'services/*/test/**/*.test.ts',
  'deploy/**/*.test.ts',
  'test/**/*.test.ts'
]
/** These judge latencies, or fill the machine by themselves. Tests on real databases that only judge results may run side by side. */
const ALONE = /^test\/(?:e2e|fault|conformance|integration\/(?:demo|gateway|replication))/
/** What starts servers may take minutes. */
const SERVERS = /^test\/(integration|e2e|fault|conformance)\//
/** What takes minutes: skipped by `--fast`. */
const SLOW = /^test\/(integration|e2e|fault)\//
const TOGETHER_MS_MAX = 180_000
const SERVERS_MS_MAX = 600_000

/** Every test of the repository, or those whose path contains one of the patterns; in the order of their paths. */
export function findTestFiles(root: string, { patterns, fast }: { readonly patterns: readonly string[]; readonly fast: boolean }): TestFile[] {
  return globSync(WHERE, { cwd: root, exclude: (path) => path.includes('node_modules') })
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
    .filter((path) => !(fast && SLOW.test(path)))
    .map((path) => ({ path, alone: ALONE.test(path), timeoutMs: SERVERS.test(path) ? SERVERS_MS_MAX : TOGETHER_MS_MAX }))
    .sort((left, right) => (left.path < right.path ? -1 : 1))
}

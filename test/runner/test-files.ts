import { globSync } from 'node:fs'

export interface TestFile {
  /** Relative to the repository. */
  readonly path: string
  /** Heavy files start servers and load them: one at a time, and skipped by `--fast`. */
  readonly heavy: boolean
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
const HEAVY = /^test\/(integration|e2e|fault)\//
const LIGHT_MS_MAX = 180_000
const HEAVY_MS_MAX = 600_000

/** Every test of the repository, or those whose path contains one of the patterns; in the order of their paths. */
export function findTestFiles(root: string, { patterns, fast }: { readonly patterns: readonly string[]; readonly fast: boolean }): TestFile[] {
  return globSync(WHERE, { cwd: root, exclude: (path) => path.includes('node_modules') })
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
    .map((path) => ({ path, heavy: HEAVY.test(path), timeoutMs: HEAVY.test(path) ? HEAVY_MS_MAX : LIGHT_MS_MAX }))
    .filter(({ heavy }) => !(fast && heavy))
    .sort((left, right) => (left.path < right.path ? -1 : 1))
}

import { isCellwayError } from '@cellway/base'
import { runCommand } from '../../deploy/local/src/command.ts'
import type { FileResult } from './tap-file.ts'

interface StaticCheck {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

const CHECKS: readonly StaticCheck[] = [
  { name: 'tsc --noEmit', command: 'node_modules/.bin/tsc', args: ['--noEmit', '--pretty', 'false'] },
  { name: 'biome check', command: 'node_modules/.bin/biome', args: ['check', '--error-on-warnings', '--colors=off', '.'] }
]
const CHECK_MS_MAX = 300_000

/** Types, format and lint: each counts as one check. */
export function runStaticChecks(root: string): Promise<FileResult[]> {
  return Promise.all(CHECKS.map((check) => runCheck(check, root)))
}

async function runCheck({ name, command, args }: StaticCheck, root: string): Promise<FileResult> {
  const startedAt = performance.now()
  const result = { path: name, skipped: 0 }
  try {
    await runCommand(command, args, { timeoutMs: CHECK_MS_MAX, cwd: root })
    return { ...result, passed: 1, failures: [], tookMs: performance.now() - startedAt }
  } catch (error) {
    const detail = isCellwayError(error) ? String(error.details.output) : String(error)
    return { ...result, passed: 0, failures: [{ name, detail }], tookMs: performance.now() - startedAt }
  }
}

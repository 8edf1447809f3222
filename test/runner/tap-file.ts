import { spawn } from 'node:child_process'
import { Parser, type Result } from 'tap-parser'
import type { TestFile } from './test-files.ts'

export interface Failure {
  /** Names from the file's outermost test to the failing line. */
  readonly name: string
  /** YAML of the comparison, or what was printed. */
  readonly detail: string
}

export interface FileResult {
  readonly path: string
  readonly passed: number
  readonly skipped: number
  readonly failures: readonly Failure[]
  readonly tookMs: number
}

interface RunOptions {
  readonly root: string
  readonly env: NodeJS.ProcessEnv
}

const OUTPUT_CHARS_MAX = 6_000
const KILL_AFTER_MS = 5_000

/**
 * Runs one file as the TAP program it is, with plain Node.js and not through tap's runner: that one puts loader hooks into
 * NODE_OPTIONS, and the servers that our tests start would inherit them. What counts is each comparison, not each test around it.
 */
export async function runTestFile(file: TestFile, { root, env }: RunOptions): Promise<FileResult> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [file.path], {
    cwd: root,
    env: { ...env, TAP: '1', TAP_TIMEOUT: String(file.timeoutMs / 1000) },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that a file that hangs takes its helpers with it.
    detached: true
  })
  const tally = tallyOf()
  let noise = ''
  const keep = (text: string) => {
    noise = (noise + text).slice(-OUTPUT_CHARS_MAX)
  }
  child.stderr.on('data', (chunk: Buffer) => keep(chunk.toString()))
  tally.parser.on('extra', (text: string) => keep(text))
  const parsed = new Promise<void>((resolve) => tally.parser.once('complete', () => resolve()))
  child.stdout.on('data', (chunk: Buffer) => tally.parser.write(chunk.toString()))
  child.stdout.once('end', () => tally.parser.end())
  const timer = killLate(child.pid, file.timeoutMs)
  const ending = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const late = timer.stop()
  await parsed
  const failures = [...tally.failures]
  const problem = late ? `killed after ${file.timeoutMs / 1000} s` : problemOf(ending, tally)
  if (problem !== undefined) failures.push({ name: problem, detail: noise.trim() })
  return { path: file.path, passed: tally.counts.passed, skipped: tally.counts.skipped, failures, tookMs: performance.now() - startedAt }
}

interface Tally {
  readonly parser: Parser
  readonly counts: { passed: number; skipped: number; seen: number }
  readonly failures: Failure[]
}

function tallyOf(): Tally {
  const parser = new Parser()
  const counts = { passed: 0, skipped: 0, seen: 0 }
  const failures: Failure[] = []
  parser.on('result', (result: Result) => {
    counts.seen += 1
    if (result.skip || result.todo) counts.skipped += 1
    else if (result.ok) counts.passed += 1
    else failures.push({ name: result.fullname || result.name, detail: detailOf(result.diag) })
  })
  return { parser, counts, failures }
}

/** What the comparisons do not say: a file that dies, or checks nothing, has failed. */
function problemOf(ending: string, { counts, failures }: Tally): string | undefined {
  if (counts.seen === 0) return `the file checked nothing (${ending})`
  return ending === 'exit code 0' || failures.length > 0 ? undefined : `the file ended with ${ending}`
}

function detailOf(diagnostics: unknown): string {
  if (typeof diagnostics !== 'object' || diagnostics === null) return ''
  return Object.entries(diagnostics)
    .filter(([name]) => name !== 'source' || !('diff' in diagnostics))
    .map(([name, value]) => `${name}: ${indented(typeof value === 'string' ? value : JSON.stringify(value, null, 1))}`)
    .join('\n')
    .slice(0, OUTPUT_CHARS_MAX)
}

function indented(text: string): string {
  const lines = text.trimEnd().split('\n')
  return lines.length === 1 ? (lines[0] ?? '') : lines.map((line) => `\n  ${line}`).join('')
}

/** `stop` says whether it had to act. */
function killLate(pid: number | undefined, timeoutMs: number): { readonly stop: () => boolean } {
  let late = false
  let killer: NodeJS.Timeout | undefined
  const timer = setTimeout(() => {
    late = true
    killGroup(pid, 'SIGTERM')
    killer = setTimeout(() => killGroup(pid, 'SIGKILL'), KILL_AFTER_MS)
  }, timeoutMs)
  return {
    stop() {
      clearTimeout(timer)
      clearTimeout(killer)
      return late
    }
  }
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It ended by itself in the meantime.
  }
}

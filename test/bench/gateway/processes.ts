/** Processes under measurement: started on a chosen core, measured by `/proc`, ended by their own id. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { access, constants, open } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** `/proc/<pid>/stat` counts in ticks of this length on every Linux that Node runs on (USER_HZ is 100). */
const TICK_US = 10_000
const STOP_MS = 20_000
const POLL_MS = 20

export interface Started extends AsyncDisposable {
  readonly pid: number
  readonly process: ChildProcess
  /** The last of what it wrote, to tell why something failed. */
  output(): string
}

export interface StartOptions {
  readonly command: string
  readonly args: readonly string[]
  /** Pinned with `taskset`; without it the process runs where the kernel likes. */
  readonly core?: number
  /** Where standard output goes: `collect` keeps the last 16 KiB, `pipe` leaves it to the caller, a path is appended to. */
  readonly stdout?: 'collect' | 'pipe' | string
  readonly env?: NodeJS.ProcessEnv
}

export async function startProcess({ command, args, core, stdout = 'collect', env = process.env }: StartOptions): Promise<Started> {
  const [file, all] = core === undefined ? [command, args] : ['taskset', ['-c', String(core), command, ...args]]
  const sink = stdout === 'collect' || stdout === 'pipe' ? undefined : await open(stdout, 'a')
  const child = spawn(file, all, { stdio: ['ignore', sink?.fd ?? 'pipe', 'pipe'], env })
  await sink?.close()
  let output = ''
  const keep = (piece: Buffer): void => {
    output = (output + piece.toString()).slice(-16_384)
  }
  if (stdout === 'collect') child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  child.on('error', (error) => keep(Buffer.from(`${file}: ${error.message}\n`)))
  return { pid: child.pid ?? 0, process: child, output: () => output, [Symbol.asyncDispose]: () => stop(child) }
}

/** SIGTERM, and SIGKILL for whoever is still there after the wait. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const forced = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await exited
  clearTimeout(forced)
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Polls until the check holds. @throws Error naming what did not happen in time. */
export async function waitUntil(what: string, timeoutMs: number, check: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${timeoutMs} ms`)
    await delay(POLL_MS)
  }
}

/** Waits until an HTTP server answers 2xx; fails at once when its process has ended. */
export async function waitUntilAnswers(started: Started, url: string, timeoutMs = 20_000): Promise<void> {
  try {
    await waitUntil(`an answer from ${url}`, timeoutMs, async () => {
      if (hasEnded(started.process)) throw new Error(`the process ended (${started.process.exitCode ?? started.process.signalCode})`)
      return await isAnswering(url)
    })
  } catch (cause) {
    throw new Error(`${url} does not answer: ${started.output()}`, { cause })
  }
}

export async function isAnswering(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(2_000) })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

/** CPU time of the processes with all their threads, user and system, in microseconds. A process that is gone counts 0. */
export function cpuUs(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    // The name in brackets may hold blanks, so count from the bracket that closes it: utime and stime are the 12th and 13th after it.
    const stat = readProc(`/proc/${pid}/stat`)
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }
  return ticks * TICK_US
}

export function childrenOf(pid: number): readonly number[] {
  return readProc(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)
}

export function rssBytes(pid: number): number {
  return Number(/VmRSS:\s+([0-9]+) kB/.exec(readProc(`/proc/${pid}/status`))?.[1] ?? 0) * 1024
}

function readProc(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Ports nobody listens on now, upwards from `from`. Below the kernel's ephemeral range, so that outgoing connections do not take them. */
export async function takePorts(count: number, from: number): Promise<readonly number[]> {
  const ports: number[] = []
  for (let port = from; ports.length < count; port++) {
    if (port > 65_535) throw new Error(`no ${count} free ports above ${from}`)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false))
  server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)))
  return promise
}

/** @throws Error with the command that installs what is missing. */
export async function requireTools(tools: Readonly<Record<string, string>>): Promise<void> {
  // Debian keeps daemons where an ordinary user's PATH does not look.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const missing: string[] = []
  for (const [tool, debianPackage] of Object.entries(tools)) {
    const found = await Promise.any(folders.map((folder) => access(join(folder, tool), constants.X_OK))).then(
      () => true,
      () => false
    )
    if (!found) missing.push(debianPackage)
  }
  if (missing.length > 0) throw new Error(`this needs programs that are not installed: apt-get install -y ${[...new Set(missing)].join(' ')}`)
  process.env.PATH = [...new Set(folders)].join(delimiter)
}

/** One supervisor per base port; what a killed one left behind is cleaned up before the next begins. */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { alreadyRunning } from './errors.ts'
import { filesOf, type RunLayout } from './layout.ts'
import { withdrawLocalJson } from './local-json.ts'
import { identify, isRunning, type ProcessIdentity, readProcesses } from './processes.ts'
import { stopGroup } from './supervisor.ts'

const LEFTOVER_MS = 20_000

/** Returns what gives the claim back. @throws LOCAL_ALREADY_RUNNING */
export async function claimRun(layout: RunLayout, say: (line: string) => void): Promise<() => void> {
  mkdirSync(layout.folder, { recursive: true, mode: 0o700 })
  const file = join(layout.folder, 'supervisor.lock')
  while (!takeLock(file)) {
    const holder = lockHolder(file)
    if (holder !== undefined && isRunning(holder)) throw running(layout, holder.pid)
    rmSync(file, { force: true })
  }
  await stopLeftovers(layout, say)
  return () => {
    withdrawLocalJson(layout)
    rmSync(filesOf(layout).processes, { force: true })
    rmSync(file, { force: true })
  }
}

/** Processes of a supervisor that was killed and could not stop them; recognised by pid and start time. */
export async function stopLeftovers(layout: Pick<RunLayout, 'folder' | 'root'>, say: (line: string) => void): Promise<void> {
  const children = Object.entries(readProcesses(filesOf(layout).processes)?.children ?? {}).filter(([, child]) => isRunning(child))
  if (children.length === 0) return
  say(`stopping what an earlier run left behind: ${children.map(([name]) => name).join(', ')}`)
  await Promise.all(children.map(([, child]) => stopGroup(child, { signal: 'SIGTERM', timeoutMs: LEFTOVER_MS })))
}

/** A link appears with its content or not at all: nobody reads a lock without a holder. */
function takeLock(file: string): boolean {
  const own = `${file}.${process.pid}`
  writeFileSync(own, JSON.stringify(identify(process.pid)), { mode: 0o600 })
  try {
    linkSync(own, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    rmSync(own, { force: true })
  }
}

function lockHolder(file: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity
  } catch {
    return undefined
  }
}

function running({ basePort }: RunLayout, pid: number) {
  const port = basePort === 7000 ? '' : ` -- --base-port ${basePort}`
  return alreadyRunning({
    basePort,
    pid,
    fix: `stop it with \`npm run stop${port}\`, or start another one: npm start -- --base-port ${basePort + 1000}`
  })
}

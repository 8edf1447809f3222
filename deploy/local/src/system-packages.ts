/**
 * Programs that come from the machine's package manager. They are looked up first; on Debian as root they are installed,
 * and no service of theirs is ever started: we choose packages without one where there are such, and forbid it otherwise.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import { runCommand } from './command.ts'
import { installFailed, serverMissing } from './errors.ts'
import { identify } from './processes.ts'

export interface Program {
  readonly name: string
  /** The Debian package that brings it. */
  readonly debianPackage: string
  /** Another file of the same package that acts as this program when it is called by its name. */
  readonly actsAs?: string
}

interface EnsureOptions {
  /** A folder of ours for names that the packages do not give (`.cellway/bin`). */
  readonly binFolder: string
  readonly say: (line: string) => void
}

export const SERVER_PROGRAMS: readonly Program[] = [
  { name: 'mariadbd', debianPackage: 'mariadb-server-core' },
  { name: 'mariadb-install-db', debianPackage: 'mariadb-server-core' },
  { name: 'mariadb', debianPackage: 'mariadb-client-core' },
  { name: 'redis-cli', debianPackage: 'redis-tools' },
  // Debian ships the server inside redis-tools, under the name of its RDB checker; the package redis-server only adds the service.
  { name: 'redis-server', debianPackage: 'redis-tools', actsAs: 'redis-check-rdb' }
]

export const TEST_PROGRAMS: readonly Program[] = [
  { name: 'nginx', debianPackage: 'nginx-light' },
  { name: 'haproxy', debianPackage: 'haproxy' },
  { name: 'wrk', debianPackage: 'wrk' },
  { name: 'openssl', debianPackage: 'openssl' },
  { name: 'curl', debianPackage: 'curl' }
]

/** A root shell has these in its PATH, a service or a plain user often does not. */
const MORE_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const LOCK_WAIT_SECONDS = 600
const INSTALL_MS_MAX = 15 * 60_000
const POLICY_FILE = '/usr/sbin/policy-rc.d'
const POLICY_TITLE = '# Put here by a Cellway installation, which removes it when it is done.'
const LOCK_WAITING = 'Waiting for cache lock'
const LOCK_HELD = /Could not get lock|Unable to (acquire|lock)/
const LOCK_POLL_MS = 1000

/** Path of each program, by its name. @throws LOCAL_SERVER_MISSING with the command to type, LOCAL_INSTALL_FAILED */
export async function ensurePrograms(programs: readonly Program[], options: EnsureOptions): Promise<Readonly<Record<string, string>>> {
  const missing = programs.filter((program) => locate(program, options.binFolder) === undefined)
  if (missing.length > 0) await install([...new Set(missing.map(({ debianPackage }) => debianPackage))], missing, options)
  const found = programs.map((program) => [program.name, locate(program, options.binFolder)] as const)
  const still = found.filter(([, path]) => path === undefined).map(([name]) => name)
  if (still.length > 0)
    throw serverMissing({ programs: still, fix: 'the packages are installed but do not bring these programs; put them on the PATH' })
  return Object.fromEntries(found.map(([name, path]) => [name, path ?? name]))
}

/** PATH for processes that look programs up by themselves. */
export function pathWith(binFolder: string): string {
  return [...new Set([...(process.env.PATH ?? '').split(':'), binFolder, ...MORE_FOLDERS])].filter((folder) => folder !== '').join(':')
}

function locate({ name, actsAs }: Program, binFolder: string): string | undefined {
  const found = onPath(name, binFolder)
  if (found !== undefined || actsAs === undefined) return found
  const real = onPath(actsAs, binFolder)
  if (real === undefined) return undefined
  mkdirSync(binFolder, { recursive: true })
  const link = join(binFolder, name)
  // A link to a file that is gone is in the way of a new one.
  rmSync(link, { force: true })
  symlinkSync(real, link)
  return link
}

function onPath(name: string, binFolder: string): string | undefined {
  return pathWith(binFolder)
    .split(':')
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

async function install(packages: readonly string[], missing: readonly Program[], { say }: EnsureOptions): Promise<void> {
  const command = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
  const names = missing.map(({ name }) => name)
  if (!isDebian()) throw serverMissing({ programs: names, fix: `install them so that they are on the PATH (on Debian: ${command})` })
  if (process.getuid?.() !== 0) throw serverMissing({ programs: names, fix: `run as root: ${command}` })
  say(`installing ${packages.join(', ')} with apt-get …`)
  const releasePolicy = forbidServices()
  try {
    await aptGet(['update'], say)
    await aptGet(['install', '-y', '--no-install-recommends', ...packages], say)
  } catch (cause) {
    const output = isCellwayError(cause) ? String(cause.details.output ?? '') : String(cause)
    throw installFailed({ command, output: output.slice(-2000), fix: `run it by hand and see: ${command}` }, { cause })
  } finally {
    releasePolicy()
  }
}

/** `DPkg::Lock::Timeout` covers the installation; the package lists have a lock of their own, which apt-get does not wait for. */
async function aptGet(args: readonly string[], say: (line: string) => void): Promise<void> {
  const deadline = performance.now() + LOCK_WAIT_SECONDS * 1000
  let told = false
  const tell = () => {
    if (!told) say('another program is installing packages: waiting for apt …')
    told = true
  }
  for (;;) {
    try {
      await runCommand('apt-get', ['-q', '-o', `DPkg::Lock::Timeout=${LOCK_WAIT_SECONDS}`, '-o', 'Dpkg::Options::=--force-confold', ...args], {
        timeoutMs: INSTALL_MS_MAX,
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l', LC_ALL: 'C' },
        onLine: (line) => line.includes(LOCK_WAITING) && tell()
      })
      return
    } catch (error) {
      const locked = isCellwayError(error) && LOCK_HELD.test(String(error.details.output))
      if (!locked || performance.now() > deadline) throw error
      tell()
      await sleep(LOCK_POLL_MS)
    }
  }
}

/**
 * Debian asks this script before a package starts its service; exit code 101 means no. It names the installations that need
 * it, so that of two at the same time the last one removes it, and one that was killed is forgotten. A machine that has its
 * own policy is left as it is.
 */
function forbidServices(): () => void {
  const others = policyHolders()
  if (others === undefined) return () => {}
  writePolicy([...others, process.pid])
  return () => writePolicy((policyHolders() ?? []).filter((pid) => pid !== process.pid))
}

/** Living installations named in the script; undefined when the script is not ours. */
function policyHolders(): number[] | undefined {
  if (!existsSync(POLICY_FILE)) return []
  const text = readFileSync(POLICY_FILE, 'utf8')
  if (!text.includes(POLICY_TITLE)) return undefined
  return [...text.matchAll(/^# process (\d+)$/gm)].map((match) => Number(match[1])).filter((pid) => identify(pid) !== undefined)
}

function writePolicy(pids: readonly number[]): void {
  if (pids.length === 0) {
    rmSync(POLICY_FILE, { force: true })
    return
  }
  const lines = ['#!/bin/sh', POLICY_TITLE, ...pids.map((pid) => `# process ${pid}`), 'exit 101', '']
  writeFileSync(POLICY_FILE, lines.join('\n'), { mode: 0o755 })
}

function isDebian(): boolean {
  return existsSync('/etc/debian_version') && isExecutable('/usr/bin/apt-get')
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

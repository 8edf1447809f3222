import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { portTaken } from './errors.ts'

interface PortUse {
  readonly port: number
  readonly use: string
}

const HOST = '127.0.0.1'
const TCP_LISTEN = '0A'

/** Before anything is started, so that the message names the port and its holder instead of a log line of the third server. @throws LOCAL_PORT_TAKEN */
export async function requireFreePorts(ports: readonly PortUse[], basePort: number): Promise<void> {
  const checked = await Promise.all(ports.map(async (entry) => ({ ...entry, free: await isFree(entry.port) })))
  const taken = checked.filter(({ free }) => !free)
  if (taken.length === 0) return
  throw portTaken({
    ports: taken.map(({ port, use }) => `${port} (for ${use}) is held by ${holderOf(port) ?? 'a process we may not look at'}`),
    fix: `end that program, or choose other ports: npm start -- --base-port ${basePort + 1000}`
  })
}

export async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: HOST, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** `mariadbd (pid 4711)`; Linux only, and only for processes we may look into. */
function holderOf(port: number): string | undefined {
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listenerInodes(table, port))
  if (inodes.length === 0) return undefined
  const wanted = new Set(inodes.map((inode) => `socket:[${inode}]`))
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    if (list(`/proc/${pid}/fd`).some((fd) => wanted.has(link(`/proc/${pid}/fd/${fd}`)))) return `${commandOf(pid)} (pid ${pid})`
  }
  return undefined
}

/** Rows look like `0: 0100007F:1B58 00000000:0000 0A … inode …`. */
function listenerInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readText(table)
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) && fields[3] === TCP_LISTEN)
    .flatMap((fields) => fields[9] ?? [])
}

function commandOf(pid: string): string {
  const words = readText(`/proc/${pid}/cmdline`).split('\0').slice(0, 2)
  return words.join(' ').trim() || readText(`/proc/${pid}/comm`).trim()
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { ProcessSpec } from './child.ts'
import type { CellLayout } from './layout.ts'

const READY_MS = 20_000
const STOP_MS = 10_000
const HOST = '127.0.0.1'

export function redisSpec(cell: CellLayout, { program, logFile }: { readonly program: string; readonly logFile: string }): ProcessSpec {
  const folder = join(cell.folder, 'redis')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const config = join(folder, 'redis.conf')
  writeFileSync(config, serverConfig(cell, folder))
  return {
    name: `${cell.name}/redis`,
    command: program,
    args: [config],
    cwd: folder,
    logFile,
    tier: 0,
    stopMs: STOP_MS,
    readyMs: READY_MS,
    probe: (signal) => ping(cell.ports.redis, signal)
  }
}

/** Answers `+PONG` once the append-only file is loaded, `-LOADING` before. */
async function ping(port: number, signal: AbortSignal): Promise<void> {
  const socket = connect({ host: HOST, port })
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      socket.once('error', reject).once('data', (bytes) => resolve(bytes.toString('latin1')))
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      socket.write('PING\r\n')
    })
    if (!answer.startsWith('+PONG')) throw new Error(answer.trim())
  } finally {
    socket.destroy()
  }
}

/** No RDB snapshots: the append-only file is the durable copy, and a fork less keeps a small machine quiet. */
function serverConfig(cell: CellLayout, folder: string): string {
  return `bind ${HOST}
protected-mode yes
port ${cell.ports.redis}
dir "${folder}"
daemonize no
databases 1
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
repl-backlog-size 16mb
`
}

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../servers.ts'

const run = promisify(execFile)
const START_MS = 60_000

/** A database of one cell, set up as replication needs it. It can be killed and started again on the same data. */
export interface CellDatabase extends AsyncDisposable {
  readonly port: number
  readonly serverId: number
  start(): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  freeze(): void
  thaw(): void
}

export interface CellDatabaseOptions {
  readonly serverId: number
  readonly args?: readonly string[]
}

export async function makeCellDatabase({ serverId, args = [] }: CellDatabaseOptions): Promise<CellDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-cell-'))
  const port = await freePort()
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : []
  const install = [
    '--no-defaults',
    `--datadir=${folder}/data`,
    `--tmpdir=${folder}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...asRoot
  ]
  await run('mariadb-install-db', install)
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const started = spawn('/usr/sbin/mariadbd', ['--no-defaults', ...asRoot, ...serverArgs({ folder, port, serverId }), ...args], { stdio: 'ignore' })
    child = started
    const deadline = AbortSignal.timeout(START_MS)
    while (!(await answers(port))) {
      deadline.throwIfAborted()
      if (started.exitCode !== null || started.signalCode !== null) throw new Error(`mariadbd ended with ${started.exitCode ?? started.signalCode}`)
      await sleep(50)
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await exited
  }

  return {
    port,
    serverId,
    start,
    kill: () => end('SIGKILL'),
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    [Symbol.asyncDispose]: async () => {
      await end('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    }
  }
}

function serverArgs({ folder, port, serverId }: { folder: string; port: number; serverId: number }): string[] {
  return [
    `--datadir=${folder}/data`,
    // Of its own: temporary tables of servers that start at the same time have the same names.
    `--tmpdir=${folder}`,
    `--socket=${folder}/m.sock`,
    `--pid-file=${folder}/m.pid`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    '--skip-name-resolve',
    `--server-id=${serverId}`,
    `--gtid-domain-id=${serverId}`,
    '--gtid-strict-mode=ON',
    '--auto-increment-increment=16',
    `--auto-increment-offset=${serverId}`,
    '--log-bin=binlog',
    '--binlog-format=ROW',
    '--binlog-row-image=FULL',
    '--binlog-row-metadata=FULL',
    '--sync-binlog=1',
    '--innodb-flush-log-at-trx-commit=1',
    '--innodb-buffer-pool-size=64M',
    '--innodb-log-file-size=32M',
    '--character-set-server=utf8mb4',
    '--collation-server=utf8mb4_bin',
    '--performance-schema=OFF',
    '--max-connections=200'
  ]
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  const connected = await new Promise<boolean>((resolve) => {
    socket
      .once('data', () => resolve(true))
      .once('error', () => resolve(false))
      .once('close', () => resolve(false))
  })
  socket.destroy()
  return connected
}

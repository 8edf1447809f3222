/** Real stores for tests, each in a temporary folder of its own, ready when the call returns, gone when the scope ends. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface TestServer extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly pid: number
}

export interface MariadbServer extends TestServer {
  /** May do everything. Passwords guard nothing here: the server listens on loopback and lives for one test. */
  readonly user: 'root'
  readonly password: ''
}

export interface ServerOptions {
  readonly port?: number
  /** More command line options. */
  readonly args?: readonly string[]
}

const START_MS = 30_000
const STOP_MS = 10_000
const run = promisify(execFile)

export async function startMariadb({ port, args = [] }: ServerOptions = {}): Promise<MariadbServer> {
  const chosen = port ?? (await freePort())
  const folder = await mkdtemp(join(tmpdir(), 'cellway-mariadb-'))
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : []
  await run('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${folder}/data`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    // Servers that start at once must not meet in one folder for temporary tables.
    `--tmpdir=${folder}`,
    ...asRoot
  ])
  const child = spawn(
    '/usr/sbin/mariadbd',
    [
      '--no-defaults',
      ...asRoot,
      `--datadir=${folder}/data`,
      `--socket=${folder}/m.sock`,
      `--pid-file=${folder}/m.pid`,
      `--tmpdir=${folder}`,
      '--bind-address=127.0.0.1',
      `--port=${chosen}`,
      '--innodb-buffer-pool-size=32M',
      ...args
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] }
  )
  const server = await whenReady(child, { name: 'mariadbd', port: chosen, folder })
  return { ...server, user: 'root', password: '' }
}

export async function startRedis({ port, args = [] }: ServerOptions = {}): Promise<TestServer> {
  const chosen = port ?? (await freePort())
  const folder = await mkdtemp(join(tmpdir(), 'cellway-redis-'))
  const child = spawn('redis-server', ['--port', `${chosen}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...args], {
    stdio: ['ignore', 'ignore', 'pipe']
  })
  return whenReady(child, { name: 'redis-server', port: chosen, folder })
}

/** A port nobody listens on now; of the kernel's ephemeral range, so that parallel test runs do not meet. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return address.port
}

export interface Starting {
  readonly name: string
  readonly port: number
  readonly folder: string
}

/** The server once it listens; its folder goes when its scope ends. */
export async function whenReady(child: ChildProcess, { name, port, folder }: Starting): Promise<TestServer> {
  let tail = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-4000)
  })
  const stop = async () => {
    await stopChild(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await once(child, 'spawn')
    await untilListening(child, port)
  } catch (cause) {
    await stop()
    throw new Error(`${name} did not start on port ${port}:\n${tail}`, { cause })
  }
  return { host: '127.0.0.1', port, pid: child.pid ?? 0, [Symbol.asyncDispose]: stop }
}

async function untilListening(child: ChildProcess, port: number): Promise<void> {
  const deadline = AbortSignal.timeout(START_MS)
  while (!(await canConnect(port))) {
    deadline.throwIfAborted()
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`ended with ${child.exitCode ?? child.signalCode}`)
    await sleep(50)
  }
}

async function canConnect(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return connected
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await exited
  clearTimeout(killer)
}

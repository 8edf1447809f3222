/** The demo application as a process over stores of its own, and requests as a gateway would send them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bucketOfKey, encodeContext, type RequestContext } from '@cellway/topology'
import { createConnection } from 'mysql2/promise'
import { request } from 'undici'
import { type MariadbServer, startMariadb, startRedis, type TestServer } from './servers.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const KEY_HEX = 'b3'.repeat(32)
const SIGNING_KEY = Buffer.from(KEY_HEX, 'hex')

export interface Answer {
  readonly status: number
  readonly notExecuted: string | string[] | undefined
  // biome-ignore lint/suspicious/noExplicitAny: the answers' shapes are what the tests look at
  readonly body: any
}

export interface App extends AsyncDisposable {
  readonly url: string
  readonly process: ChildProcess
  /** Sends as the gateway of `beijing` would after it has routed by `context`. */
  send(method: string, path: string, context?: Partial<RequestContext>, body?: unknown): Promise<Answer>
}

export interface Fixture extends AsyncDisposable {
  readonly mysql: MariadbServer
  readonly redis: TestServer
  startApp(): Promise<App>
}

export function userContext(id: string): RequestContext {
  return { cell: 'beijing', space: 'users', bucket: String(bucketOfKey(id, 1024)), epoch: 1, key: id, hop: { count: 0, from: undefined } }
}

export function areaContext(area: string): RequestContext {
  return { cell: 'beijing', space: 'areas', bucket: area, epoch: 1, key: area, hop: { count: 0, from: undefined } }
}

export function signed(context: Partial<RequestContext>, signingKey = SIGNING_KEY): string[] {
  const complete = {
    cell: 'beijing',
    space: undefined,
    bucket: undefined,
    epoch: undefined,
    key: undefined,
    hop: { count: 0, from: undefined },
    ...context
  }
  return [...encodeContext(complete, { signingKey, expiresAtSeconds: Math.floor(Date.now() / 1000) + 30 })]
}

export async function fetchAnswer(url: string, method: string, path: string, headers: string[], body?: string): Promise<Answer> {
  const response = await request(url + path, { method: method as 'GET', headers, body: body ?? null })
  const text = await response.body.text()
  return { status: response.statusCode, notExecuted: response.headers['x-cellway-not-executed'], body: JSON.parse(text) }
}

export async function startStores(): Promise<Fixture> {
  await using started = new AsyncDisposableStack()
  const mysql = started.use(await startMariadb())
  const redis = started.use(await startRedis())
  const connection = await createConnection({ host: mysql.host, port: mysql.port, user: mysql.user, multipleStatements: true })
  for (const file of ['schema.sql', 'seed.sql', 'seed.sql']) await connection.query(await readFile(join(ROOT, 'deploy/local', file), 'utf8'))
  await connection.end()
  const folder = await mkdtemp(join(tmpdir(), 'cellway-app-'))
  const owned = started.move()
  return { mysql, redis, startApp: () => spawnApp(folder, mysql.port, redis.port), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export async function spawnApp(folder: string, mysqlPort: number, redisPort: number): Promise<App> {
  const file = join(folder, 'app.json')
  const signingKeyFile = join(folder, 'signing.key')
  await writeFile(signingKeyFile, `${KEY_HEX}\n`)
  const mysql = { host: '127.0.0.1', port: mysqlPort, user: 'root', password: '', database: 'shop' }
  const redis = { host: '127.0.0.1', port: redisPort }
  await writeFile(file, JSON.stringify({ cell: 'beijing', cellNumber: 3, host: '127.0.0.1', port: 0, mysql, redis, signingKeyFile, drainMs: 400 }))
  const child = spawn(process.execPath, [join(ROOT, 'deploy/local/src/app/main.ts'), '--config', file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await listeningUrl(child)
  return {
    url,
    process: child,
    send: (method, path, context, body) => {
      const headers = context === undefined ? [] : signed(context)
      if (body !== undefined) headers.push('content-type', 'application/json')
      return fetchAnswer(url, method, path, headers, body === undefined ? undefined : JSON.stringify(body))
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await Promise.race([once(child, 'exit'), sleep(15_000, undefined, { ref: false }).then(() => child.kill('SIGKILL'))])
      }
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** The process says where it listens in its log; every other line is dropped, so that the pipe never fills. */
async function listeningUrl(child: ChildProcess): Promise<string> {
  const { stdout } = child
  if (stdout === null) throw new Error('stdout is not a pipe')
  const lines = createInterface({ input: stdout })
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the application ended with ${code}`)))
    lines.on('line', (line) => {
      const entry: { msg?: string; url?: string } = JSON.parse(line)
      if (entry.msg === 'app listening' && entry.url !== undefined) resolve(entry.url)
    })
  })
}

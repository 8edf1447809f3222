/** What a newcomer starts, as separate processes: two runs side by side, and the smoke run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createConnection } from 'mysql2/promise'
import t from 'tap'
import { layoutOf, portsOf } from '../../deploy/local/src/layout.ts'
import type { LocalJson } from '../../deploy/local/src/local-json.ts'
import { isFree } from '../../deploy/local/src/ports.ts'
import { isRunning, type RunProcesses } from '../../deploy/local/src/processes.ts'

const MAIN = fileURLToPath(new URL('../../deploy/local/src/main.ts', import.meta.url))
const COMMAND_MS = 180_000

/** Three starts of two cells, a smoke run and their ends take a minute on two cores; other tests may be running. */
t.setTimeout(580_000)
const LONG = { timeout: 280_000 }

const [FIRST, SECOND, SMOKE, INTERRUPTED] = await freeBasePorts()
const root = await mkdtemp(join(tmpdir(), 'cellway-local-'))
t.teardown(async () => {
  for (const port of [FIRST, SECOND, SMOKE, INTERRUPTED]) await command('stop', '--base-port', String(port))
  await rm(root, { recursive: true, force: true })
})

t.test('two runs side by side', LONG, async (t) => {
  const started = await command('start', '--detach', '--cells', '2', '--base-port', String(FIRST))
  t.equal(started.code, 0, 'the first starts')
  t.match(started.output, 'curl -s', 'and says what to try')
  const second = await command('start', '--detach', '--cells', '2', '--apps', '1', '--base-port', String(SECOND))
  t.equal(second.code, 0, 'the second starts')

  await t.test('local.json names every endpoint and credential', LONG, async (t) => {
    const local = localJson(`run-${FIRST}/local.json`)
    t.match(local, {
      basePort: FIRST,
      control: { url: `http://127.0.0.1:${FIRST}`, token: /^cwt_/ },
      center: { url: `http://127.0.0.1:${FIRST + 10}`, token: /.{40}/ },
      cells: { beijing: cellShape(FIRST + 100), shanghai: cellShape(FIRST + 200) }
    })
    t.same(Object.keys(local.cells), ['beijing', 'shanghai'])
    t.same(localJson('local.json'), local, 'the shared file is the first run’s: the second came while it was alive')
    t.equal(localJson(`run-${SECOND}/local.json`).basePort, SECOND)
    for (const { mysql, redis } of Object.values(local.cells)) {
      t.equal(await mysqlAnswers({ ...mysql, user: mysql.user, password: mysql.password, database: mysql.database }), 1, 'app account')
      t.equal(await mysqlAnswers({ ...mysql, user: mysql.adminUser, password: mysql.adminPassword }), 1, 'admin account')
      t.match(await ping(redis), '+PONG')
    }
    const status = await fetch(`${local.control.url}/v1/status`, { headers: { authorization: `Bearer ${local.control.token}` } })
    t.equal(status.status, 200, 'the token opens control')
  })

  await t.test('both answer through every gateway', LONG, async (t) => {
    for (const run of [FIRST, SECOND]) {
      const { cells } = localJson(`run-${run}/local.json`)
      const served = await Promise.all(Object.values(cells).map(({ gateway }) => write(gateway, `of run ${run}`)))
      t.equal(new Set(served).size, 1, `run ${run}: one cell serves user 42`)
    }
    t.equal(await read(localJson(`run-${FIRST}/local.json`), 'shanghai'), `of run ${FIRST}`, 'and the runs share nothing')
  })

  await t.test('a port that is taken, and a run that is there already, are named', LONG, async (t) => {
    const overlapping = await command('start', '--cells', '1', '--base-port', String(FIRST + 100))
    t.equal(overlapping.code, 1)
    t.match(overlapping.output, 'LOCAL_PORT_TAKEN')
    t.match(overlapping.output, `${FIRST + 100} (for control) is held by`)
    t.match(overlapping.output, '--base-port')
    const again = await command('start', '--cells', '2', '--base-port', String(FIRST))
    t.equal(again.code, 1)
    t.match(again.output, 'LOCAL_ALREADY_RUNNING')
  })

  await t.test('stop stops its own run and nothing else', LONG, async (t) => {
    const first = processes(FIRST)
    t.equal(Object.keys(first.children).length, 14, 'control, the center and six processes per cell')
    t.equal((await command('stop', '--base-port', String(FIRST))).code, 0)
    t.same(alive(first), [], 'nothing of the first is left')
    t.notOk(existsSync(join(root, 'local.json')), 'no file points to it')
    t.equal(Object.keys(processes(SECOND).children).length, alive(processes(SECOND)).length, 'everything of the second runs')
    t.equal(await read(localJson(`run-${SECOND}/local.json`), 'beijing'), `of run ${SECOND}`)
  })

  await t.test('a supervisor that was killed leaves nothing in the way, and no data is lost', LONG, async (t) => {
    const before = processes(SECOND)
    process.kill(before.supervisor.pid, 'SIGKILL')
    const again = await command('start', '--detach', '--cells', '2', '--apps', '1', '--base-port', String(SECOND))
    t.equal(again.code, 0)
    t.same(alive(before), [], 'the old processes are gone')
    t.equal(await read(localJson(`run-${SECOND}/local.json`), 'shanghai'), `of run ${SECOND}`, 'the user is still there')
    t.equal(localJson('local.json').basePort, SECOND, 'the only run is the shared one')
    t.equal((await command('stop')).code, 0, 'and stop without a port finds it')
    t.same(alive(before), [])
  })
})

t.test('Ctrl-C stops everything, however many signals one press makes', LONG, async (t) => {
  const child = start('start', '--cells', '1', '--apps', '1', '--base-port', String(INTERRUPTED))
  const output = collect(child)
  while (!output().includes('Ctrl-C') && child.exitCode === null) await once(child.stdout ?? child, 'data')
  const running = processes(INTERRUPTED)
  t.equal(alive(running).length, 7)
  child.kill('SIGINT')
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  t.same(alive(running), [])
  t.notMatch(output(), 'killing', 'one press is not two')
})

t.test('--smoke walks the story and says so', LONG, async (t) => {
  const { code, output } = await command('start', '--smoke', '--cells', '2', '--base-port', String(SMOKE))
  t.equal(code, 0, output)
  t.match(output, /all \d+ checks hold/)
  t.notMatch(output, '✘')
})

/** Four runs of two cells each; chosen at random, because somebody else may be testing on this machine. */
async function freeBasePorts(): Promise<[number, number, number, number]> {
  const free: number[] = []
  for (let basePort = 27_000; basePort <= 28_700; basePort += 200 + 100) {
    const ports = portsOf(layoutOf({ root: tmpdir(), basePort, cellCount: 2, appsPerCell: 2 })).map(({ port }) => port)
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) free.push(basePort)
  }
  const [first, second, third, fourth] = free.sort(() => Math.random() - 0.5)
  if (first === undefined || second === undefined || third === undefined || fourth === undefined) throw new Error('no free ports from 27000 to 28999')
  return [first, second, third, fourth]
}

function cellShape(port: number) {
  const url = (offset: number) => `http://127.0.0.1:${port + offset}`
  return {
    gateway: url(0),
    gatewayAdmin: url(1),
    app: url(2),
    apps: [url(2), url(3)],
    mysql: { host: '127.0.0.1', port: port + 6, user: String, password: /.{20}/, database: 'shop', adminUser: String, adminPassword: /.{20}/ },
    redis: { host: '127.0.0.1', port: port + 7 },
    replicator: url(8)
  }
}

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args, '--dir', root], { stdio: ['ignore', 'pipe', 'pipe'] })
  const late = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS)
  child.once('exit', () => clearTimeout(late))
  return child
}

async function command(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = start(...args)
  const output = collect(child)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output: output() }
}

function collect(child: ChildProcess): () => string {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  return () => output
}

function localJson(file: string): LocalJson {
  return JSON.parse(readFileSync(join(root, file), 'utf8')) as LocalJson
}

function processes(basePort: number): RunProcesses {
  return JSON.parse(readFileSync(join(root, `run-${basePort}`, 'processes.json'), 'utf8')) as RunProcesses
}

function alive({ children }: RunProcesses): string[] {
  return Object.entries(children)
    .filter(([, child]) => isRunning(child))
    .map(([name]) => name)
}

/** Returns the cell that served it. */
async function write(gateway: string, name: string): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${gateway}/api/users/42`, { method: 'PUT', headers, body: JSON.stringify({ name }) })
  const { servedBy } = (await response.json()) as { servedBy: string }
  return servedBy
}

async function read({ cells }: LocalJson, cell: string): Promise<string> {
  const response = await fetch(`${cells[cell]?.gateway}/api/users/42`)
  const { user } = (await response.json()) as { user?: { name: string } }
  return user?.name ?? `${response.status}`
}

async function mysqlAnswers(options: { host: string; port: number; user: string; password: string; database?: string }): Promise<unknown> {
  const { host, port, user, password, database } = options
  const connection = await createConnection({ host, port, user, password, ...(database === undefined ? {} : { database }) })
  try {
    const [rows] = await connection.query('SELECT 1 AS one')
    return (rows as { one: number }[])[0]?.one
  } finally {
    await connection.end()
  }
}

async function ping({ host, port }: { host: string; port: number }): Promise<string> {
  const socket = connect({ host, port })
  socket.write('PING\r\n')
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return bytes.toString()
}

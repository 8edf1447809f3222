import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { ProcessSpec } from './child.ts'
import { requireFreePorts } from './ports.ts'
import { identify, isRunning, killGroup, type ProcessIdentity, readProcesses, signalProcess } from './processes.ts'
import { clearDown, markDown, Supervisor, stopGroup } from './supervisor.ts'

const WAIT_MS = 15_000
const IDLE = 'setInterval(() => {}, 1000)'

t.test('a crashed process is started again, a stopped one is not', async (t) => {
  const { supervisor, said } = setUp(t)
  await supervisor.start(spec(t, 'one', IDLE))
  const first = supervisor.pidOf('one') ?? 0
  process.kill(first, 'SIGKILL')
  await until(() => supervisor.pidOf('one') !== undefined && supervisor.pidOf('one') !== first)
  t.match(said.join('\n'), 'one ended (SIGKILL); starting it again')
  await supervisor.stop('one')
  t.equal(supervisor.pidOf('one'), undefined)
  await supervisor.startAgain('one')
  t.ok(supervisor.pidOf('one'))
})

t.test('a process that is marked stays down until the mark is gone', async (t) => {
  const { supervisor, folder, said } = setUp(t)
  await supervisor.start(spec(t, 'cell/one', IDLE))
  markDown(join(folder, 'down'), 'cell/one')
  process.kill(supervisor.pidOf('cell/one') ?? 0, 'SIGKILL')
  await until(() => said.some((line) => line.includes('stays down')))
  t.equal(supervisor.pidOf('cell/one'), undefined)
  clearDown(join(folder, 'down'), 'cell/one')
  await until(() => supervisor.pidOf('cell/one') !== undefined)
})

t.test('everything is stopped, higher tiers first, and who does not listen is killed', async (t) => {
  const { supervisor, folder } = setUp(t)
  const note = (name: string) => `process.on('SIGTERM', () => { require('fs').appendFileSync('${folder}/order', '${name} '); process.exit() });`
  await supervisor.start({ ...spec(t, 'store', note('store') + IDLE), tier: 0 })
  await supervisor.start({ ...spec(t, 'app', note('app') + IDLE), tier: 2 })
  await supervisor.start({ ...spec(t, 'deaf', `process.on('SIGTERM', () => {});${IDLE}`), tier: 1, stopMs: 300 })
  const pids = ['store', 'app', 'deaf'].map((name) => supervisor.pidOf(name) ?? 0)
  await supervisor.stopAll()
  t.same(
    pids.map((pid) => identify(pid)),
    [undefined, undefined, undefined]
  )
  t.equal(readFileSync(join(folder, 'order'), 'utf8'), 'app store ')
  await t.rejects(supervisor.start(spec(t, 'late', IDLE)), 'nothing starts after that')
})

t.test('what a killed process has started goes with it', async (t) => {
  const { supervisor, folder } = setUp(t)
  const worker = `const { pid } = require('child_process').spawn(process.execPath, ['-e', '${IDLE}']); require('fs').writeFileSync('${folder}/worker', String(pid));`
  await supervisor.start(spec(t, 'parent', worker + IDLE))
  await until(() => Number(readText(join(folder, 'worker'))) > 0)
  const workerPid = Number(readText(join(folder, 'worker')))
  t.ok(identify(workerPid))
  process.kill(supervisor.pidOf('parent') ?? 0, 'SIGKILL')
  await until(() => identify(workerPid) === undefined)
})

t.test('a start that fails says why, with the end of the log', async (t) => {
  const { supervisor } = setUp(t)
  await t.rejects(supervisor.start(spec(t, 'broken', "console.error('no such table'); process.exit(3)", { never: true })), {
    code: 'LOCAL_PROCESS_FAILED',
    details: { process: 'broken', ending: 'exit code 3', tail: 'no such table' }
  })
  await t.rejects(supervisor.start({ ...spec(t, 'slow', IDLE, { never: true }), readyMs: 200 }), {
    code: 'LOCAL_PROCESS_NOT_READY',
    details: { process: 'slow', last: 'not yet' }
  })
  await t.rejects(supervisor.start({ ...spec(t, 'absent', ''), command: '/no/such/program' }), {
    code: 'LOCAL_PROCESS_FAILED',
    details: { ending: /ENOENT/ }
  })
})

t.test('a pid that belongs to somebody else by now is left alone', async (t) => {
  const { supervisor } = setUp(t)
  await supervisor.start(spec(t, 'bystander', IDLE))
  const pid = supervisor.pidOf('bystander') ?? 0
  const stranger: ProcessIdentity = { pid, startedAtTicks: '1' }
  t.notOk(isRunning(stranger))
  t.notOk(signalProcess(stranger, 'SIGTERM'))
  t.notOk(killGroup(stranger))
  await stopGroup(stranger, { signal: 'SIGTERM', timeoutMs: 100 })
  t.ok(identify(pid), 'it is still there')
})

t.test('other processes can read who runs', async (t) => {
  const { supervisor, folder } = setUp(t)
  await supervisor.start(spec(t, 'one', IDLE))
  const written = readProcesses(join(folder, 'processes.json'))
  t.equal(written?.supervisor.pid, process.pid)
  t.same(Object.keys(written?.children ?? {}), ['one'])
  t.ok(written?.children.one && isRunning(written.children.one))
})

t.test('a taken port is named with its use and its holder', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await t.rejects(requireFreePorts([{ port, use: 'beijing/mysql' }], 7000), {
    code: 'LOCAL_PORT_TAKEN',
    details: { ports: [new RegExp(`^${port} \\(for beijing/mysql\\) is held by .*\\(pid ${process.pid}\\)$`)], fix: /--base-port 8000/ }
  })
})

function setUp(t: Test) {
  const folder = t.testdir()
  const said: string[] = []
  const supervisor = new Supervisor({
    processesFile: join(folder, 'processes.json'),
    downFolder: join(folder, 'down'),
    say: (line) => said.push(line)
  })
  t.teardown(() => supervisor.stopAll())
  return { supervisor, folder, said }
}

/** Ready once it runs; `never` is a process that does not become ready. */
function spec(t: Test, name: string, script: string, { never = false } = {}): ProcessSpec {
  const logFile = join(t.testdirName, `${name.replace('/', '-')}.log`)
  const announced = `console.log('up');${script}`
  return {
    name,
    command: process.execPath,
    args: ['-e', never ? script : announced],
    cwd: t.testdirName,
    logFile,
    tier: 1,
    stopMs: 3_000,
    readyMs: WAIT_MS,
    probe: async () => {
      if (never || !readText(logFile).includes('up')) throw new Error('not yet')
    }
  }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(WAIT_MS)
  while (!holds()) {
    deadline.throwIfAborted()
    await sleep(20)
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { runCli, type Terminal } from '@cellway/cli'
import { createControlClient } from '@cellway/client'
import { createConnection } from 'mysql2/promise'
import t, { type Test } from 'tap'
import { type ControlProcess, makeControlProcess } from '../integration/control-process.ts'
import { freePort, startMariadb, startRedis } from '../integration/servers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const TOPOLOGY = `
apiVersion: cellway/v1
cells:
  beijing: {region: cn-north, gateway: "http://127.0.0.1:1", apps: {default: ["http://127.0.0.1:2"]}}
  shanghai: {region: cn-east, gateway: "http://127.0.0.1:3", apps: {default: ["http://127.0.0.1:4"]}}
spaces:
  users: {kind: hash, buckets: 64}
  areas: {kind: list, values: [bj, sh], assign: {bj: beijing, sh: shanghai}}
routes:
  - {match: {path: "/api/users/:id/**"}, space: users, key: [{header: x-user-id}, {path: "/api/users/:id/**"}], missing: reject}
`

interface Result {
  readonly exit: number
  readonly out: string
  readonly err: string
}

interface Control extends AsyncDisposable {
  readonly url: string
  readonly token: string
  /** A user's folder, with `.cellway/local.json` as a local run writes it. */
  readonly folder: string
  readonly control: ControlProcess
  cellway(...args: string[]): Promise<Result>
}

t.test('cellway against a real control process', async (t) => {
  await using control = await startControl()
  await t.test('before the first topology', (t) => beforeTopology(t, control))
  await t.test('diff and apply', (t) => diffAndApply(t, control))
  await t.test('reading', (t) => reading(t, control))
  await t.test('adoption', (t) => adoption(t, control))
  await t.test('roles and tokens', (t) => rolesAndTokens(t, control))
  await t.test('audit', (t) => audit(t, control))
  await t.test('doctor', (t) => doctor(t, control))
  await t.test('control is gone', (t) => controlGone(t, control))
})

async function beforeTopology(t: Test, control: Control): Promise<void> {
  const status = await startCellway(['status'], control.folder)
  t.equal(status.exit, 0, status.err)
  t.match(status.out, /✗ no topology was applied yet\n {2}→ cellway topology apply/)
  t.equal((await startCellway(['route', 'explain', '--url', '/api/users/1', '-o', 'json'], control.folder)).exit, 4)
}

async function diffAndApply(t: Test, control: Control): Promise<void> {
  await writeFile(join(control.folder, 'topology.yaml'), TOPOLOGY)
  const diff = await control.cellway('topology', 'diff', 'topology.yaml')
  t.equal(diff.exit, 0, diff.err)
  t.match(diff.out, '+ cell beijing')

  const unconfirmed = await control.cellway('topology', 'apply', 'topology.yaml')
  t.equal(unconfirmed.exit, 2, 'nobody is there to say yes')
  t.match(unconfirmed.err, 'CLI_CONFIRMATION_NEEDED')
  const declined = await called(control, ['topology', 'apply', 'topology.yaml'], 'n')
  t.equal(declined.exit, 3)
  t.match(declined.err, '+ cell shanghai', 'what would happen is shown before the question')
  t.equal((await control.cellway('buckets')).out.trim(), 'no bucket matches', 'neither has changed anything')

  const applied = await called(control, ['topology', 'apply', 'topology.yaml', '--reason', 'first'], 'y')
  t.equal(applied.exit, 0, applied.err)
  t.match(applied.out, '✓ version 1 is committed')
  const again = await control.cellway('topology', 'apply', 'topology.yaml', '-o', 'json')
  t.match(JSON.parse(again.out), { version: 1, changed: false })

  await writeFile(join(control.folder, 'bad.yaml'), TOPOLOGY.replace('buckets: 64', 'buckets: 128'))
  const refused = await control.cellway('topology', 'apply', 'bad.yaml', '--yes')
  t.equal(refused.exit, 2, 'valid by itself, but not as a change of this topology')
  t.match(refused.err, /spaces\.users[\s\S]*fix/)
}

async function reading(t: Test, control: Control): Promise<void> {
  const buckets = await control.cellway('buckets', '--space', 'users')
  t.match(buckets.out, /users {2}0-31 +32 {2}beijing +1 {2}owned\nusers {2}32-63 +32 {2}shanghai/)
  const full = await control.cellway('buckets', '--space', 'users', '--owner', 'beijing', '--full')
  t.equal(full.out.trim().split('\n').length, 34)
  t.match(JSON.parse((await control.cellway('buckets', '--owner', 'shanghai', '-o', 'json')).out), { version: 1, total: 33 })

  const local = await control.cellway('route', 'explain', '--url', '/api/users/7', '--header', 'x-user-id: 42', '--cell', 'beijing')
  t.equal(local.exit, 0, local.err)
  t.match(local.out, /header x-user-id: found "42"/)
  const explained = JSON.parse((await control.cellway('route', 'explain', '--url', '/api/users/42', '--cell', 'shanghai', '-o', 'json')).out)
  t.match(explained, { selfCell: 'shanghai', bucket: { space: 'users' }, verdict: { kind: /^(local|hop)$/ } })
  t.match(JSON.parse((await control.cellway('route', 'explain', '--url', '/x', '--cell', 'mars', '-o', 'json')).out), {
    error: { code: 'CTL_CELL_UNKNOWN' }
  })

  const status = JSON.parse((await control.cellway('status', '-o', 'json')).out)
  t.match(status, { control: { version: 1 }, cells: [{ cell: 'beijing' }, { cell: 'shanghai' }] })
  t.match(status.alarms, [{ what: /no gateway of beijing/ }, { what: /no gateway of shanghai/ }])
}

/** A gateway is played by the real client, whose acknowledgements the test holds back. */
async function adoption(t: Test, control: Control): Promise<void> {
  const stop = new AbortController()
  await using client = createControlClient({ urls: [control.url], token: control.token })
  const watch = client.watchSnapshots({ have: 0, member: 'beijing-gw-1', kind: 'gateway', cell: 'beijing', signal: stop.signal })
  const acknowledge = async (): Promise<number> => {
    const { value: snapshot } = await watch.next()
    await client.ack({ member: 'beijing-gw-1', kind: 'gateway', cell: 'beijing', version: snapshot.version, checksum: snapshot.checksum })
    return snapshot.version
  }
  t.equal(await acknowledge(), 1)

  await writeFile(join(control.folder, 'topology.yaml'), TOPOLOGY.replace('region: cn-east', 'region: cn-east, weight: 2'))
  const pending = await control.cellway('topology', 'apply', 'topology.yaml', '--yes', '--timeout', '700ms')
  t.equal(pending.exit, 5, pending.err)
  t.match(pending.out, /! version 2 is committed, adopted by 0 of 1 after .*; missing: beijing-gw-1 of beijing \(lagging, version 1\)/)
  t.match(pending.err, 'version 2 adopted 0/1  waiting for beijing-gw-1 (1)')
  t.equal(await acknowledge(), 2)

  await writeFile(join(control.folder, 'topology.yaml'), TOPOLOGY)
  const settling = control.cellway('topology', 'apply', 'topology.yaml', '--yes', '-o', 'json')
  t.equal(await acknowledge(), 3)
  const settled = await settling
  t.equal(settled.exit, 0, settled.err)
  t.match(JSON.parse(settled.out), { version: 3, changed: true, settled: true, adopted: 1, live: 1 })

  const status = await control.cellway('status')
  t.match(status.out, /beijing-gw-1 {2}gateway {2}beijing +3 +0 {2}current/)
  const watching = spawn(process.execPath, [join(ROOT, 'packages/cli/src/main.ts'), 'status', '--watch'], {
    cwd: control.folder,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const [line] = await once(createInterface({ input: watching.stdout }), 'line')
  t.match(line, /version 3 {2}adopted 1\/1 {2}1 problem/)
  watching.kill('SIGINT')
  t.same(await once(watching, 'exit'), [0, null], 'Ctrl-C ends a watch well')
  stop.abort()
}

async function rolesAndTokens(t: Test, control: Control): Promise<void> {
  const created = await control.cellway('tokens', 'create', 'alice', '--role', 'viewer', '--expires', '1h', '--write', 'viewer.token')
  t.equal(created.exit, 0, created.err)
  const secret = (await readFile(join(control.folder, 'viewer.token'), 'utf8')).trim()
  t.match(secret, /^cwt_/)
  t.notMatch(created.out, secret, 'a secret that goes to a file is not shown')
  t.equal((await control.cellway('status', '--token-file', 'viewer.token')).exit, 0)
  const forbidden = await control.cellway('topology', 'apply', 'topology.yaml', '--yes', '--token-file', 'viewer.token')
  const changed = TOPOLOGY.replace('cn-north', 'cn-north-1')
  await writeFile(join(control.folder, 'changed.yaml'), changed)
  t.match(forbidden, { exit: 0, out: /nothing to change/ }, 'looking at the difference is allowed')
  t.match(await control.cellway('topology', 'apply', 'changed.yaml', '--yes', '--token-file', 'viewer.token'), { exit: 2, err: /CTL_FORBIDDEN/ })

  const { tokens } = JSON.parse((await control.cellway('tokens', 'list', '-o', 'json')).out)
  const id = tokens.find((token: { name: string }) => token.name === 'alice').id
  t.equal((await control.cellway('tokens', 'revoke', id, '--yes', '--reason', 'left')).exit, 0)
  t.match(await control.cellway('status', '--token-file', 'viewer.token'), { exit: 1, err: /CTL_TOKEN_INVALID/ })
}

async function audit(t: Test, control: Control): Promise<void> {
  const tail = await control.cellway('audit', 'tail', '-n', '3')
  t.equal(tail.out.trim().split('\n').length, 4)
  t.match(tail.out, /token\.delete +done +token \w+ +left/)
  const { records } = JSON.parse((await control.cellway('audit', 'tail', '-n', '100', '-o', 'json')).out)
  t.ok(records.some((record: { reason: string; action: string }) => record.action === 'topology.apply' && record.reason === 'first'))
  t.match(await control.cellway('audit', 'verify'), { exit: 0, out: /✓ the chain of \d+ records is whole/ })
}

async function doctor(t: Test, control: Control): Promise<void> {
  await using mysql = await startMariadb({ args: ['--log-bin=binlog', '--binlog-format=MIXED', '--server-id=7', '--sync-binlog=1'] })
  await using redis = await startRedis()
  const cell = {
    gateway: 'http://127.0.0.1:1',
    gatewayAdmin: `http://127.0.0.1:${await freePort()}`,
    app: `http://127.0.0.1:${await freePort()}`,
    mysql: { host: mysql.host, port: mysql.port, user: 'root', password: '', database: 'shop' },
    redis: { host: redis.host, port: redis.port }
  }
  await writeLocal(control, { beijing: cell })
  const sick = await control.cellway('doctor', '--cell', 'beijing')
  t.equal(sick.exit, 4)
  for (const part of [
    /✗ beijing\/gateway {2}admin listener: .*ECONNREFUSED/,
    /✗ beijing\/app/,
    /✗ beijing\/mysql {2}binlog_format: MIXED/,
    /✗ beijing\/redis {2}persistence: none/
  ]) {
    t.match(sick.out, part)
  }
  t.notMatch(sick.out, 'shanghai/app', 'only the cell that was asked for')

  // The statements it prints are the cure.
  const { findings } = JSON.parse((await control.cellway('doctor', '--cell', 'beijing', '-o', 'json')).out)
  const connection = await createConnection({ host: mysql.host, port: mysql.port, user: 'root' })
  for (const { subject, verdict, fix } of findings) {
    if (subject !== 'beijing/mysql' || verdict !== 'fail') continue
    const [, statement] = /-e "(.*)"/.exec(fix[0]) ?? []
    t.ok(statement, fix[0])
    if (statement !== undefined) await connection.query(statement)
  }
  await connection.end()
  const cured = JSON.parse((await control.cellway('doctor', '--cell', 'beijing', '-o', 'json')).out)
  const left = cured.findings.filter(
    (finding: { subject: string; verdict: string }) => finding.subject === 'beijing/mysql' && finding.verdict !== 'ok'
  )
  t.same(left, [])
  t.equal((await control.cellway('doctor', '--cell', 'mars')).exit, 1)
}

async function controlGone(t: Test, control: Control): Promise<void> {
  await control.control.stop()
  t.match(await control.cellway('status'), { exit: 1, err: /CLIENT_UNREACHABLE[\s\S]*Traffic goes on/ })
  t.match(JSON.parse((await control.cellway('buckets', '-o', 'json')).out), { exitCode: 1, error: { code: 'CLIENT_UNREACHABLE' } })
  const examined = await control.cellway('doctor', '--cell', 'beijing')
  t.equal(examined.exit, 4, 'the doctor examines the rest')
  t.match(examined.out, /✗ control {2}reachable/)
  t.match(examined.out, /beijing\/app/)
  t.equal((await control.cellway('topology', 'validate', 'topology.yaml')).exit, 0, 'offline')
}

/** In this process, with a person at the terminal who answers every question with `reply`; undefined: nobody is there. */
async function called(control: Control, args: readonly string[], reply: string | undefined): Promise<Result> {
  const lines = { out: [] as string[], err: [] as string[] }
  const signal = new AbortController().signal
  const terminal: Terminal = {
    env: {},
    cwd: control.folder,
    signal,
    isInteractive: reply !== undefined,
    paint: (_tone, text) => text,
    out: (text) => void lines.out.push(text),
    err: (text) => void lines.err.push(text),
    progress: (line) => void lines.err.push(line),
    progressDone: () => undefined,
    clear: () => undefined,
    ask: async () => reply ?? '',
    readStdin: async () => '',
    sleep: async (ms) => void (await sleep(ms)),
    nowMs: () => Date.now()
  }
  const exit = await runCli(args, terminal)
  return { exit, out: lines.out.join('\n'), err: lines.err.join('\n') }
}

async function startControl(): Promise<Control> {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-cli-'))
  const control = await makeControlProcess({ folder })
  await control.start()
  const started: Control = {
    url: control.url,
    token: (await readFile(control.tokenFile, 'utf8')).trim(),
    folder,
    control,
    cellway: (...args) => called(started, args, undefined),
    [Symbol.asyncDispose]: async () => {
      await control.kill()
      await rm(folder, { recursive: true, force: true })
    }
  }
  await writeLocal(started, {})
  return started
}

async function writeLocal(control: Control, cells: object): Promise<void> {
  await mkdir(join(control.folder, '.cellway'), { recursive: true })
  await writeFile(join(control.folder, '.cellway/local.json'), JSON.stringify({ control: { url: control.url, token: control.token }, cells }))
}

/** The command as a user starts it: a process of its own, in the user's folder, nothing typed but the command. */
function startCellway(args: readonly string[], cwd: string): Promise<Result> {
  const { CELLWAY_CONTROL: _url, CELLWAY_TOKEN: _token, INIT_CWD: _start, ...env } = process.env
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'packages/cli/src/main.ts'), ...args], { cwd, env, timeout: 30_000 }, (error, out, err) => {
      resolve({ exit: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err })
    })
  })
}

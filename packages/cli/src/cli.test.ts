import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CellwayError } from '@cellway/base'
import type { Command } from 'commander'
import t from 'tap'
import { runCli } from './cli.ts'
import { parseDuration } from './command.ts'
import { parseHeader } from './commands/route.ts'
import { resolveConnection } from './connection.ts'
import { exitCodeOf } from './exit-codes.ts'
import { createProgram } from './program.ts'
import { renderError } from './render/error.ts'
import { plain } from './render/text.ts'
import { judgeAdoption, progressLine, settledLine } from './settle.ts'
import type { Terminal } from './terminal.ts'

interface Recorded extends Terminal {
  readonly outputs: string[]
  readonly errors: string[]
}

function terminalOf({ cwd = '/', env = {}, stdin = '' }: { cwd?: string; env?: NodeJS.ProcessEnv; stdin?: string } = {}): Recorded {
  const outputs: string[] = []
  const errors: string[] = []
  return {
    outputs,
    errors,
    env,
    cwd,
    signal: new AbortController().signal,
    isInteractive: false,
    paint: plain,
    out: (text) => void outputs.push(text),
    err: (text) => void errors.push(text),
    progress: () => undefined,
    progressDone: () => undefined,
    clear: () => undefined,
    ask: async () => '',
    readStdin: async () => stdin,
    sleep: async () => undefined,
    nowMs: () => 0
  }
}

const LOCAL = { control: { url: 'http://127.0.0.1:7000', token: 'local-token' }, cells: {} }
const DEFAULTS = { local: '.cellway/local.json' }

t.test('where control is, and with which token', async (t) => {
  const cwd = t.testdir({ '.cellway': { 'local.json': JSON.stringify(LOCAL) }, token: 'from-file\n', damaged: '{' })
  const empty = join(cwd, 'nowhere')
  const rows: [string, Parameters<typeof resolveConnection>[0], Parameters<typeof terminalOf>[0], unknown][] = [
    ['a local run says everything', DEFAULTS, { cwd }, { urls: ['http://127.0.0.1:7000'], token: 'local-token' }],
    [
      'the environment wins over it',
      DEFAULTS,
      { cwd, env: { CELLWAY_CONTROL: 'http://a:1, http://b:2', CELLWAY_TOKEN: 'e' } },
      { urls: ['http://a:1', 'http://b:2'], token: 'e' }
    ],
    [
      'options win over the environment',
      { ...DEFAULTS, control: ['http://c:3/'], token: 'o' },
      { cwd, env: { CELLWAY_CONTROL: 'http://a:1', CELLWAY_TOKEN: 'e' } },
      { urls: ['http://c:3'], token: 'o' }
    ],
    ['token file', { ...DEFAULTS, tokenFile: 'token' }, { cwd }, { token: 'from-file' }],
    ['the same control by option keeps the local token', { ...DEFAULTS, control: ['http://127.0.0.1:7000'] }, { cwd }, { token: 'local-token' }],
    ['the local token is not sent to others', { ...DEFAULTS, control: ['http://evil:1'] }, { cwd }, 'CLI_NO_TOKEN'],
    ['nor to one of several', { ...DEFAULTS, control: ['http://127.0.0.1:7000', 'http://evil:1'] }, { cwd }, 'CLI_NO_TOKEN'],
    ['nothing', DEFAULTS, { cwd: empty }, 'CLI_NO_CONTROL'],
    ['two tokens', { ...DEFAULTS, token: 'a', tokenFile: 'b' }, { cwd }, 'CLI_USAGE'],
    ['no URL', { ...DEFAULTS, control: ['127.0.0.1:7000'] }, { cwd }, 'CLI_USAGE'],
    ['missing token file', { ...DEFAULTS, tokenFile: 'missing' }, { cwd }, 'CLI_FILE_UNREADABLE'],
    ['damaged local file', { local: 'damaged' }, { cwd }, 'CLI_FILE_UNREADABLE']
  ]
  for (const [name, options, terminal, want] of rows) {
    if (typeof want === 'string') t.throws(() => resolveConnection(options, terminalOf(terminal)), { code: want }, name)
    else t.match(resolveConnection(options, terminalOf(terminal)), want, name)
  }
})

t.test('exit codes', async (t) => {
  const error = (code: string, statusCode: number) => new CellwayError({ code, message: '', statusCode, origin: 'client', retry: 'never' }, {})
  const rows: [unknown, number][] = [
    [new Error('x'), 1],
    [error('CLI_USAGE', 400), 1],
    [error('CLI_NO_TOKEN', 400), 1],
    [error('CTL_TOKEN_INVALID', 401), 1],
    [error('CTL_FORBIDDEN', 403), 2],
    [error('CTL_TOPOLOGY_INVALID', 422), 2],
    [error('CLI_TOPOLOGY_INVALID', 422), 2],
    [error('CTL_EPOCH_CONFLICT', 409), 2],
    [error('CLI_CONFIRMATION_NEEDED', 409), 2],
    [error('CLI_NOT_CONFIRMED', 409), 3],
    [error('CTL_VERSION_STALE', 412), 3],
    [error('CTL_NO_TOPOLOGY', 404), 4],
    [error('CLIENT_OUTCOME_UNKNOWN', 504), 4],
    [error('CLIENT_UNREACHABLE', 503), 1]
  ]
  for (const [given, want] of rows) t.equal(exitCodeOf(given), want, given instanceof CellwayError ? given.code : 'plain')
})

t.test('headers and durations as typed', async (t) => {
  t.same(parseHeader('x-user-id: 42'), ['x-user-id', '42'])
  t.same(parseHeader('a:b:c'), ['a', 'b:c'])
  t.same(parseHeader('empty:'), ['empty', ''])
  for (const bad of ['novalue', ': x', 'a b: c', '']) t.throws(() => parseHeader(bad), { code: 'CLI_USAGE' }, bad)
  t.equal(parseDuration('90d', '--expires'), 7_776_000_000)
  t.equal(parseDuration('500ms', '--timeout'), 500)
  for (const bad of ['30', 's', '1.5s', '-1s', '1w', '']) t.throws(() => parseDuration(bad, '--x'), { code: 'CLI_USAGE' }, bad)
})

t.test('adoption', async (t) => {
  const member = (name: string, version: number | null, state: string) =>
    ({ member: name, kind: 'gateway', cell: 'a', version, checksum: null, since: null, lastSeen: '', connected: true, state }) as Parameters<
      typeof judgeAdoption
    >[0][number]
  const rows: [string, ReturnType<typeof member>[], object][] = [
    ['nobody is there', [], { settled: true, live: 0 }],
    ['all', [member('g1', 5, 'current'), member('g2', 6, 'ahead')], { settled: true, adopted: 2, live: 2 }],
    [
      'one is behind',
      [member('g1', 5, 'current'), member('g2', 4, 'lagging')],
      { settled: false, adopted: 1, waitingFor: [{ member: 'g2', version: 4 }] }
    ],
    ['one joins', [member('g1', null, 'joining')], { settled: false, waitingFor: [{ member: 'g1', version: null }] }],
    ['who is gone does not count', [member('g1', 5, 'current'), member('g2', 4, 'gone')], { settled: true, live: 1 }],
    ['diverged is not adopted', [member('g1', 5, 'diverged')], { settled: false }]
  ]
  for (const [name, members, want] of rows) t.match(judgeAdoption(members, 5, 0), want, name)
  const missing = judgeAdoption([member('g1', 5, 'current'), member('g2', 4, 'lagging')], 5, 3400)
  t.equal(progressLine(missing, 5, 30_000), 'version 5 adopted 1/2  waiting for g2 (4)  3 s of 30 s')
  t.match(settledLine(missing), 'adopted by 1 of 2 after 3.4 s; missing: g2 of a (lagging, version 4)')
})

t.test('errors say what to do; foreign text in them is harmless', async (t) => {
  const stale = new CellwayError(
    { code: 'CTL_VERSION_STALE', message: 'Changed', statusCode: 412, origin: 'client', retry: 'after-change' },
    { sent: '"4"', version: 5 }
  )
  t.match(renderError(stale), /✗ Changed \(CTL_VERSION_STALE\)\n {2}sent {2}"4"\n {2}version {2}5\n {2}→ somebody applied another topology/)
  t.equal(renderError(new Error('a\u001b[2J')), '✗ a\\u{1b}[2J')
})

t.test('validate is offline and lists every problem', async (t) => {
  const bad = 'apiVersion: cellway/v1\ncells: {a: {region: r, gateway: "http://a", colour: red}}\nspaces: {u: {kind: hash, buckets: 0}}\nroutes: []\n'
  const terminal = terminalOf({ stdin: bad })
  t.equal(await runCli(['topology', 'validate', '-'], terminal), 2)
  t.match(terminal.errors.join('\n'), /cells\.a\.colour[\s\S]*fix[\s\S]*spaces\.u\.buckets/)
  const json = terminalOf({ stdin: bad })
  t.equal(await runCli(['topology', 'validate', '-', '-o', 'json'], json), 2)
  const document = JSON.parse(json.outputs.join(''))
  t.match(document, { exitCode: 2, error: { code: 'CLI_TOPOLOGY_INVALID' } })
  t.ok(document.error.details.problems.length >= 2)
  t.equal(json.errors.length, 0, 'nothing but the document')
})

t.test('every command explains itself with examples', async (t) => {
  const walk = (command: Command): Command[] => [command, ...command.commands.flatMap(walk)]
  const leaves = walk(createProgram(terminalOf(), async () => undefined)).filter(({ commands }) => commands.length === 0)
  t.ok(leaves.length >= 12)
  for (const leaf of leaves) {
    const path: string[] = []
    for (let at: Command | null = leaf; at?.parent; at = at.parent) path.unshift(at.name())
    const terminal = terminalOf()
    t.equal(await runCli([...path, '--help'], terminal), 0, path.join(' '))
    t.match(terminal.outputs.join('\n'), /Examples:\n {2}.*cellway/, path.join(' '))
  }
})

t.test('what cannot be understood is exit code 1, as JSON if wanted', async (t) => {
  for (const line of [['frob'], ['route', 'explain'], ['buckets', '--state', 'sideways'], ['tokens', 'create', 'x'], ['status', 'extra']]) {
    const terminal = terminalOf()
    t.equal(await runCli(line, terminal), 1, line.join(' '))
    t.match(terminal.errors.join('\n'), 'CLI_USAGE', line.join(' '))
    const json = terminalOf()
    await runCli([...line, '-o', 'json'], json)
    t.match(JSON.parse(json.outputs.join('')), { exitCode: 1, error: { code: 'CLI_USAGE' } }, line.join(' '))
  }
})

t.test('a path is meant from where the user stands, also under npm run', async (t) => {
  const root = t.testdir({ user: {} })
  await mkdir(join(root, 'repo'))
  await writeFile(join(root, 'user', 't.yaml'), 'apiVersion: nonsense\n')
  const terminal = terminalOf({ cwd: join(root, 'repo'), env: { INIT_CWD: join(root, 'user') } })
  t.equal(await runCli(['topology', 'validate', 't.yaml'], terminal), 2, 'it was found')
  t.equal(await runCli(['topology', 'validate', 'missing.yaml'], terminalOf()), 1)
})

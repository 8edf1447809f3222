import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { gatewayConfig } from './fixture.ts'
import { type Run, runMain } from './gateway-process.ts'
import { until } from './until.ts'

const folder = await mkdtemp(join(tmpdir(), 'cellway-config-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
await writeFile(join(folder, 'signing.key'), 'ab'.repeat(32))
await writeFile(join(folder, 'short.key'), 'short')

const plan = { name: 'beijing', port: 0, adminPort: 0, snapshotFile: join(folder, 'none.json') }

interface Ended {
  readonly exit: number | string | undefined
  readonly output: string
}

async function ended(run: Run): Promise<Ended> {
  try {
    await until('the process has ended', () => run.exit() !== undefined, 20_000)
  } finally {
    run.child.kill('SIGKILL')
  }
  return { exit: run.exit(), output: run.output() }
}

async function startWith(text: string, options: Parameters<typeof runMain>[1] = {}): Promise<Ended> {
  const file = join(folder, `config-${Math.random().toString(36).slice(2)}.json`)
  await writeFile(file, text)
  return ended(runMain(['--config', file], options))
}

const startWithConfig = (config: Readonly<Record<string, unknown>>, options?: Parameters<typeof runMain>[1]): Promise<Ended> =>
  startWith(JSON.stringify(gatewayConfig(plan, folder, { config })), options)

t.test('problems of shape: every one is listed with its place, and the process ends with 1', async (t) => {
  const { exit, output } = await startWithConfig({
    listen: { port: 70_000 },
    workers: 0,
    limits: { headersMax: 'many', nonsense: 1 },
    retry: { budgetRatio: 0.5 },
    accessLog: 'some',
    unknownSection: {}
  })
  t.equal(exit, 1)
  t.match(output, /The configuration of the gateway is not valid/)
  for (const place of ['/listen/port', '/workers', '/limits/headersMax', 'nonsense', '/retry/budgetRatio', '/accessLog', 'unknownSection']) {
    t.match(output, place)
  }
  t.match(output, '/accessLog: must be one of all, errors, off')
})

t.test('problems between fields are all listed, too', async (t) => {
  const { exit, output } = await startWithConfig({
    signing: { keyEnv: 'CELLWAY_TEST_KEY' },
    control: { urls: ['http://127.0.0.1:1'] },
    health: { intervalMs: 100, timeoutMs: 200 },
    limits: { headersTimeoutMs: 60_000, requestTimeoutMs: 10_000 },
    breaker: { openMs: 2_000, openMsMax: 1_000 },
    trustedProxies: ['10.0.0.0/99', 'proxy.example', '10.0.0.0/8']
  })
  t.equal(exit, 1)
  for (const place of ['/signing', '/control', '/health', '/limits', '/breaker', '10.0.0.0/99', 'proxy.example']) t.match(output, place)
  t.notMatch(output, '10.0.0.0/8 is')
})

t.test('a key that is too short, or missing, or a token that is missing', async (t) => {
  const short = await startWithConfig({ signing: { keyFile: join(folder, 'short.key') } })
  t.equal(short.exit, 1)
  t.match(short.output, /at least 32 bytes/)
  t.notMatch(short.output, /^ {4}at /m, 'no stack for what an operator can mend')
  const absent = await startWithConfig({ signing: { keyFile: join(folder, 'absent.key') } })
  t.equal(absent.exit, 1)
  t.match(absent.output, /\/signing: ENOENT.*absent\.key/)
  const token = await startWithConfig({ control: { urls: ['http://127.0.0.1:1'], tokenEnv: 'CELLWAY_TEST_NO_SUCH_TOKEN' } })
  t.equal(token.exit, 1)
  t.match(token.output, /\/control: no token/)
})

t.test('no JSON, no file, no --config', async (t) => {
  const broken = await startWith('{ "cell": ')
  t.equal(broken.exit, 1)
  t.match(broken.output, /JSON/)
  const absent = await ended(runMain(['--config', join(folder, 'absent.json')]))
  t.equal(absent.exit, 1)
  t.match(absent.output, /ENOENT/)
  const none = await ended(runMain([], { env: { CELLWAY_GATEWAY_CONFIG: undefined } }))
  t.equal(none.exit, 1)
  t.match(none.output, /Usage: gateway --config FILE/)
  const help = await ended(runMain(['--help']))
  t.equal(help.exit, 0)
})

t.test('--insecure-http-parser is refused, by flag and by NODE_OPTIONS', async (t) => {
  const byFlag = await startWithConfig({}, { nodeFlags: ['--insecure-http-parser'] })
  t.equal(byFlag.exit, 1)
  t.match(byFlag.output, /refusing to run with --insecure-http-parser/)
  const byEnvironment = await startWithConfig({}, { env: { NODE_OPTIONS: '--insecure-http-parser' } })
  t.equal(byEnvironment.exit, 1)
  t.match(byEnvironment.output, /refusing to run with --insecure-http-parser/)
})

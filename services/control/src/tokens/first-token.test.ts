import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createMemoryStore } from '@cellway/store'
import { createLogger } from '@cellway/telemetry'
import t from 'tap'
import { startControl } from '../control.ts'
import { generateToken } from './token.ts'

const logger = createLogger({ service: 'control', level: 'silent' })
const configFor = (adminTokenFile: string | undefined) => ({
  host: '127.0.0.1',
  port: 0,
  metricsPort: 0,
  dataFolder: '',
  adminTokenFile,
  logLevel: 'silent'
})
const works = async (url: string, token: string): Promise<boolean> =>
  (await fetch(`${url}/v1/tokens`, { headers: { authorization: `Bearer ${token.trim()}` } })).ok

t.test('without a file it is shown once', async (t) => {
  const store = createMemoryStore()
  const kept = { ...store, [Symbol.asyncDispose]: async () => undefined }
  let shown = ''
  {
    await using control = await startControl({ config: configFor(undefined), logger, store: kept })
    shown = control.firstToken.kind === 'created' ? (control.firstToken.shown ?? '') : ''
    t.ok(await works(control.url, shown))
  }
  await using again = await startControl({ config: configFor(undefined), logger, store: kept })
  t.same(again.firstToken, { kind: 'exists', fileMatches: undefined })
  t.ok(await works(again.url, shown), 'it still works after a restart')
})

t.test('with the name of a file it is written there, for the owner only', async (t) => {
  const file = path.join(t.testdir({}), 'secrets', 'admin.token')
  const kept = { ...createMemoryStore(), [Symbol.asyncDispose]: async () => undefined }
  {
    await using control = await startControl({ config: configFor(file), logger, store: kept })
    t.match(control.firstToken, { kind: 'created', shown: undefined })
    t.equal(statSync(file).mode & 0o777, 0o600)
    t.ok(await works(control.url, readFileSync(file, 'utf8')))
  }
  await using again = await startControl({ config: configFor(file), logger, store: kept })
  t.same(again.firstToken, { kind: 'exists', fileMatches: true })
})

t.test('a file that is there decides the first token; later it changes nothing', async (t) => {
  const folder = t.testdir({})
  const file = path.join(folder, 'given')
  const { token } = generateToken()
  writeFileSync(file, `${token}\n`)
  const kept = { ...createMemoryStore(), [Symbol.asyncDispose]: async () => undefined }
  {
    await using control = await startControl({ config: configFor(file), logger, store: kept })
    t.ok(await works(control.url, token))
  }
  writeFileSync(file, generateToken().token)
  await using again = await startControl({ config: configFor(file), logger, store: kept })
  t.same(again.firstToken, { kind: 'exists', fileMatches: false })
  t.notOk(await works(again.url, readFileSync(file, 'utf8')), 'whoever can write the file cannot make himself admin later')
  writeFileSync(file, 'password')
  await t.rejects(startControl({ config: configFor(file), logger, store: createMemoryStore() }), { code: 'CTL_TOKEN_FILE_INVALID' })
})

import { execFile } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { append, soon } from '../../../packages/log/src/testing.ts'
import { clientsOf, makeCenterProcess, runCenter, tokenOf } from './center-process.ts'
import { flipBit } from './damage.ts'

t.setTimeout(120_000)

const CLI = fileURLToPath(new URL('../../../packages/cli/src/main.ts', import.meta.url))
const S = 'beijing/mysql'

function cellway(parameters: readonly string[], env: Readonly<Record<string, string>>): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH ?? '', ...env }, cwd: '/' }
    execFile(process.execPath, [CLI, ...parameters], options, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out: stdout + stderr })
    })
  })
}

t.test('cellway center status', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  await using clients = clientsOf(['beijing', 'shanghai'], () => center.url)
  const env = { CELLWAY_CENTER: center.url, CELLWAY_CENTER_TOKEN: tokenOf('operator') }
  t.match(await cellway(['center', 'status'], env), { code: 0, out: /no stream/ })
  const { logId } = await append(clients.of('beijing'), S, 'x'.repeat(100))
  await append(clients.of('beijing'), S, 'y')
  await clients.of('shanghai').retain(S, 'shanghai', { logId, sequence: 2 })
  await clients.of('shanghai').reportReader(S, 'shanghai', '0-1-77')
  const read = clients.of('shanghai').read(S, 'oldest', { maxBytes: 1, signal: soon() })
  await read.next()
  await read.next()
  const page = await cellway(['center', 'status'], env)
  t.match(page, { code: 0, out: new RegExp(`beijing/mysql +${logId.slice(0, 8)} +1 +1 +3`) })
  t.match(page.out, /shanghai +1 +1 +0-1-77/)
  const { code, out } = await cellway(['center', 'status', '-o', 'json'], env)
  t.equal(code, 0)
  t.match(JSON.parse(out), { ready: true, streams: [{ stream: S, next: 3, reads: [{ lag: 1 }], retainers: [{ lag: 1 }] }] })
  t.match(await cellway(['center', 'status'], { ...env, CELLWAY_CENTER_TOKEN: tokenOf('stranger') }), { code: 1, out: /CTR_TOKEN_INVALID/ })
  await read.return?.()
  await center.kill()
  t.match(await cellway(['center', 'status'], env), { code: 1, out: /CLI_CENTER_UNREACHABLE/ })
  t.match(await cellway(['center', 'status', '--local', 'none'], {}), { code: 1, out: /CLI_NO_CENTER/ })
})

t.test('verify and salvage of a folder', async (t) => {
  const folder = t.testdir({})
  await using center = await makeCenterProcess({ folder, config: { limits: { segmentBytes: 4096 } } })
  await center.start()
  await using clients = clientsOf(['beijing'], () => center.url)
  for (let at = 0; at < 12; at += 1) await append(clients.of('beijing'), S, `${at} `.padEnd(1000, 'x'))
  t.match(await runCenter(['verify', center.dataFolder]), { code: 1, output: /LOG_LOCKED/ }, 'not beside the center')
  t.equal(await center.stop(), 0)
  t.match(await runCenter(['verify', center.dataFolder]), { code: 0, output: /"next": 13/ })
  flipBit(path.join(center.dataFolder, 'beijing+mysql', '0000000000000001.log'), 1500)
  t.match(await runCenter(['verify', center.dataFolder]), { code: 4, output: /LOG_CORRUPT/ })
  await t.rejects(center.start(), /LOG_CORRUPT/, 'the center refuses to serve it')
  const out = path.join(folder, 'out')
  const saved = await runCenter(['salvage', center.dataFolder, out])
  t.equal(saved.code, 4)
  t.match(JSON.parse(saved.output), { streams: [{ stream: S, records: 11, lost: [{ first: 2, last: 2 }] }] })
  t.match(await runCenter(['verify', out]), { code: 0, output: /"next": 12/ })
  t.equal((await runCenter(['salvage', center.dataFolder])).code, 1)
})

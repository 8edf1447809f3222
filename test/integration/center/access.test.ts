import { createReadStream, writeFileSync } from 'node:fs'
import path from 'node:path'
import { encodeAppend, encodeBeat, FRAMES_CONTENT_TYPE, RECORD_BYTES_MAX } from '@cellway/log'
import t from 'tap'
import { codeOf, soon, textOf } from '../../../packages/log/src/testing.ts'
import { clientOf, clientsOf, makeCenterProcess, runCenter, tokenOf } from './center-process.ts'

t.setTimeout(120_000)

const S = 'beijing/mysql'
const x = { epoch: 1, payload: Buffer.from('x') }

const appendFrame = (number: number, epoch: number, text: string): Buffer => Buffer.concat(encodeAppend(number, epoch, Buffer.from(text)))

t.test('who may do what', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  await using clients = clientsOf(['beijing', 'shanghai', 'operator'], () => center.url)
  const [beijing, shanghai, operator] = [clients.of('beijing'), clients.of('shanghai'), clients.of('operator')]
  const { logId } = await beijing.append(S, x, { signal: soon() })
  const at = { logId, sequence: 1 }
  t.equal(await codeOf(shanghai.append(S, x, { signal: soon() })), 'CTR_FORBIDDEN', 'append to the stream of another cell')
  t.equal(await codeOf(shanghai.append('beijing/new', x, { signal: soon() })), 'CTR_FORBIDDEN', 'make one')
  t.equal(await codeOf(operator.append(S, x, { signal: soon() })), 'CTR_FORBIDDEN', 'an operator writes nothing')
  t.same(await operator.streams(), [S])
  t.equal(await codeOf(shanghai.trim(S, at)), 'CTR_FORBIDDEN')
  t.equal(await codeOf(shanghai.retain(S, 'beijing', at)), 'CTR_FORBIDDEN', 'speak for another reader')
  t.equal(await codeOf(shanghai.retain(S, 'shanghai-2', at)), 'CTR_FORBIDDEN', 'whose name only begins alike')
  t.equal(await codeOf(shanghai.reportReader(S, 'beijing', 'p')), 'CTR_FORBIDDEN')
  await shanghai.retain(S, 'shanghai', at)
  await shanghai.retain(S, 'shanghai/mysql', at)
  t.equal(await codeOf(beijing.release(S, 'shanghai')), 'CTR_FORBIDDEN')
  await operator.release(S, 'shanghai')
  await shanghai.release(S, 'shanghai/mysql')
  t.equal((await operator.trim(S, at)).first, 1)
  for await (const batch of shanghai.read(S, 'oldest', { maxBytes: 10, signal: soon() })) {
    t.same(textOf(batch.records), ['x'], 'any cell reads')
    break
  }
})

t.test('no token, and a wrong one', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  await using stranger = clientOf('nobody', center.url)
  t.equal(await codeOf(stranger.append(S, x, { signal: soon() })), 'CTR_TOKEN_INVALID')
  t.equal(await codeOf(stranger.read(S, 'oldest', { maxBytes: 1, signal: soon() }).next()), 'CTR_TOKEN_INVALID')
  t.equal(await codeOf(stranger.bounds(S)), 'CTR_TOKEN_INVALID')
  const bare = await fetch(`${center.url}/v1/streams`)
  t.same([bare.status, bare.headers.get('www-authenticate')], [401, 'Bearer'])
  t.match(await bare.json(), { error: { code: 'CTR_TOKEN_MISSING', retry: 'never' } })
  t.equal((await fetch(`${center.url}/v1/nothing`)).status, 404)
  t.notMatch(center.log(), /0123456789abcdef/, 'no token in the log')
})

t.test('bytes that are no frames, or too many', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  const upload = async (body: Uint8Array): Promise<string> => {
    const headers = { authorization: `Bearer ${tokenOf('beijing')}`, 'content-type': FRAMES_CONTENT_TYPE }
    const answer = await fetch(`${center.url}/v1/streams/${S}/records`, { method: 'POST', headers, body, signal: soon() })
    return Buffer.from(await answer.arrayBuffer()).toString('latin1')
  }
  const whole = appendFrame(1, 1, 'kept')
  const damaged = appendFrame(2, 1, 'damaged')
  damaged[damaged.length - 1] = 0
  t.match(await upload(Buffer.concat([whole, damaged])), /LOG_LINK_BROKEN/, 'a checksum that does not match')
  t.match(await upload(Buffer.alloc(1000, 0xff)), /LOG_LINK_BROKEN/, 'noise')
  t.match(await upload(appendFrame(2, 1, 'first is 1')), /CTR_REQUEST_INVALID/)
  const huge = appendFrame(1, 1, 'x')
  huge.writeUInt32LE(RECORD_BYTES_MAX + 17, 4)
  t.match(await upload(Buffer.concat([encodeBeat(), huge])), /LOG_RECORD_TOO_LARGE/, 'before a byte of it is held')
  t.match(await upload(appendFrame(1, 0, 'x')), /LOG_REQUEST_INVALID/, 'epoch 0')
  await using client = clientOf('beijing', center.url)
  t.equal((await client.bounds(S)).next, 2, 'only what was whole is there')
  const body = JSON.stringify({ position: 'x'.repeat(100_000), time: 1 })
  const long = await fetch(`${center.url}/v1/streams/${S}/readers/beijing`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${tokenOf('beijing')}`, 'content-type': 'application/json' },
    body
  })
  t.equal(long.status, 400)
  t.equal(
    (await fetch(`${center.url}/v1/streams/${S}/records?from=newest`, { headers: { authorization: `Bearer ${tokenOf('beijing')}` } })).status,
    400
  )
})

t.test('the plain read, for whoever has no client of ours', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  await using client = clientOf('beijing', center.url)
  await client.append(S, { epoch: 1, payload: Buffer.from('hello from beijing') }, { signal: soon() })
  const answer = await fetch(`${center.url}/v1/streams/${S}/records?from=oldest`, {
    headers: { authorization: `Bearer ${tokenOf('shanghai')}` },
    signal: soon()
  })
  let text = ''
  for await (const piece of answer.body ?? createReadStream('/dev/null')) {
    text += Buffer.from(piece as Uint8Array).toString('latin1')
    if (text.includes('hello from beijing')) break
  }
  t.match(text, /hello from beijing/)
})

t.test('a wrong configuration is refused with everything that is wrong', async (t) => {
  const folder = t.testdir({})
  const file = path.join(folder, 'center.json')
  const run = async (config: unknown): Promise<string> => {
    writeFileSync(file, JSON.stringify(config))
    const { code, output } = await runCenter(['--config', file])
    t.equal(code, 1)
    return output
  }
  const shape = await run({ dataFolder: '', listen: { port: 99_999, prot: 1 }, tokens: [{ name: 'x', role: 'god' }] })
  for (const problem of [/dataFolder/, /listen\/port/, /prot: there is no such setting/, /role: must be one of cell, operator/])
    t.match(shape, problem)
  const relations = await run({
    dataFolder: folder,
    listen: { port: 25_900 },
    metrics: { port: 25_900 },
    limits: { uploadBytesMax: 100, inFlightBytesMax: 10 },
    tokens: [
      { name: 'a', role: 'cell', tokenEnv: 'A', tokenFile: 'b' },
      { name: 'a', role: 'operator', sha256: '0'.repeat(64) }
    ]
  })
  for (const problem of [/metrics\/port/, /uploadBytesMax/, /tokens\/0\/cell/, /exactly one of sha256/, /is there twice/]) t.match(relations, problem)
  const secrets = await run({
    dataFolder: folder,
    tokens: [
      { name: 'a', role: 'cell', cell: 'a', tokenEnv: 'NOT_SET' },
      { name: 'b', role: 'cell', cell: 'b', tokenFile: path.join(folder, 'none') }
    ]
  })
  for (const problem of [/no token in the variable NOT_SET/, /ENOENT/]) t.match(secrets, problem)
  t.match(await run({ dataFolder: folder, tokensFile: path.join(folder, 'tokens.json') }), /tokens\.json.*ENOENT/)
})

t.test('tokens as hashes in a file of their own', async (t) => {
  const folder = t.testdir({})
  const { createHash } = await import('node:crypto')
  const sha256 = createHash('sha256').update(tokenOf('beijing')).digest('hex')
  const tokensFile = path.join(folder, 'tokens.json')
  writeFileSync(tokensFile, JSON.stringify([{ name: 'beijing', role: 'cell', cell: 'beijing', sha256 }]))
  await using center = await makeCenterProcess({ folder, config: { tokens: undefined, tokensFile } })
  await center.start()
  await using client = clientOf('beijing', center.url)
  t.equal((await client.append(S, x, { signal: soon() })).sequence, 1)
})

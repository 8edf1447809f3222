import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCellwayError } from '@cellway/base'
import type { LogPosition, RemoteLog } from '@cellway/log'
import t from 'tap'
import { append, codeOf, firstBatch, readSome, soon, textOf } from '../../../packages/log/src/testing.ts'
import { clientOf, clientsOf, makeCenterProcess, metricOf, runCenter, tokenOf } from './center-process.ts'

t.setTimeout(180_000)

const S = 'beijing/mysql'

async function readyOf(url: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${url}/health/ready`)
  return { status: answer.status, body: await answer.json() }
}

t.test('a write that fails: seen in readiness, and everything goes on once it is mended', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start({ fileBytesMax: 300_000 })
  await using clients = clientsOf(['beijing', 'shanghai'], () => center.url, { tuning: { callTimeoutMs: 1000 } })
  const [writer, reader] = [clients.of('beijing'), clients.of('shanghai')]
  t.same(await readyOf(center.url), { status: 200, body: { ready: true } })
  const { logId } = await append(writer, S, 'durable')
  const followed = reader.read(S, { logId, sequence: 2 }, { maxBytes: 1000, signal: AbortSignal.timeout(60_000) }).next()
  t.equal(await codeOf(append(writer, S, Buffer.alloc(400_000))), 'LOG_NOT_DURABLE')
  t.match(await readyOf(center.url), { status: 503, body: { ready: false, code: 'LOG_FAILED', reason: /EFBIG/ } })
  t.match(center.log(), /"level":"fatal".*EFBIG/)
  t.equal((await fetch(`${center.url}/health/live`)).status, 200)
  t.equal(await codeOf(reader.bounds(S)), 'LOG_UNREACHABLE')
  t.match(reader.connection(), { state: 'unreachable', code: 'LOG_FAILED' }, 'and the client says what it waits for')
  const waiting = writer.append(S, { epoch: 1, payload: Buffer.from('after') }, { signal: AbortSignal.timeout(60_000) })
  t.equal((await center.stop()) ?? 0, 0, 'it stops as it should')
  await center.start()
  t.equal((await waiting).logId, logId)
  t.same(textOf([...((await followed).value?.records ?? [])]), ['after'], 'of the failed write, nothing is left')
  t.match(center.log(), /torn end/)
})

t.test('a full disk refuses, and says so', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}), config: { limits: { freeBytesMin: 2 ** 50 } } })
  await center.start()
  await using writer = clientOf('beijing', center.url)
  const code = await writer.append(S, { epoch: 1, payload: Buffer.from('x') }, { signal: soon() }).catch((cause: unknown) => cause)
  t.match(code, { code: 'LOG_OVERLOADED', retry: 'later', details: { reason: 'disk' } })
  t.match(await readyOf(center.url), { status: 503, body: { ready: false, code: 'LOG_OVERLOADED', reason: /bytes left/ } })
  t.equal(await metricOf(center, 'cellway_center_ready'), 0)
  t.equal(await metricOf(center, 'cellway_center_refusals_total{code="LOG_OVERLOADED"}'), 1)
})

t.test('nothing passes an append that was refused', async (t) => {
  const config = { retention: { streamBytesMax: 400_000 }, limits: { segmentBytes: 100_000 } }
  await using center = await makeCenterProcess({ folder: t.testdir({}), config })
  await center.start()
  await using writer = clientOf('beijing', center.url)
  const { logId } = await append(writer, S, 'first')
  await writer.retain(S, 'beijing', { logId, sequence: 1 })
  // Every other one is small, and would still fit when a large one does not.
  const outcomes = await Promise.allSettled(Array.from({ length: 200 }, (_, at) => append(writer, S, Buffer.alloc(at % 2 === 0 ? 9000 : 10, 1))))
  const taken = outcomes.findIndex(({ status }) => status === 'rejected')
  t.ok(taken > 20, `${taken} fitted`)
  t.ok(
    outcomes.slice(taken).every((one) => one.status === 'rejected' && isCellwayError(one.reason) && one.reason.code === 'LOG_OVERLOADED'),
    'and all behind them were refused'
  )
  t.equal((await writer.bounds(S)).next, taken + 2, 'also by the center')
  await writer.release(S, 'beijing')
  await writer.trim(S, { logId, sequence: taken + 2 })
  t.equal((await append(writer, S, 'room again')).sequence, taken + 2, 'the next one goes over a link of its own')
})

t.test('the center loses its log: readers hear of it, and tell what they have', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  await using clients = clientsOf(['beijing', 'shanghai', 'shenzhen'], () => center.url)
  const [writer, reader] = [clients.of('beijing'), clients.of('shanghai')]
  const before = await append(writer, S, 'old')
  await reader.reportReader(S, 'shanghai', '0-1-100')
  await clients.of('shenzhen').reportReader(S, 'shenzhen', '0-1-90')
  await reader.reportReader(S, 'shanghai', '0-1-110')
  t.match(await writer.readers(S), [
    { reader: 'shanghai', position: '0-1-110' },
    { reader: 'shenzhen', position: '0-1-90' }
  ])
  const next: LogPosition = { ...before, sequence: 2 }
  const following = codeOf(firstBatch(reader, S, next, 1000))
  await center.kill()
  rmSync(center.dataFolder, { recursive: true })
  await center.start()
  t.equal(await following, 'LOG_STREAM_UNKNOWN')
  t.same(await writer.readers(S), [], 'reports are of this run of the center')
  await reader.reportReader(S, 'shanghai', '0-1-111')
  const [report] = await writer.readers(S)
  t.match(report, { reader: 'shanghai', position: '0-1-111' }, 'also of a stream that it does not know')
  t.ok(report !== undefined && report.ageMs < 20_000 && Math.abs(report.timeMs - Date.now()) < 20_000)
  const after = await append(writer, S, 'new')
  t.not(after.logId, before.logId)
  t.equal(await codeOf(firstBatch(reader, S, next, 1000)), 'LOG_REPLACED')
  t.equal(await codeOf(reader.retain(S, 'shanghai', before)), 'LOG_REPLACED')
})

t.test('what waits for a center that does not answer is bounded, and ends with its signal', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  await using writer = clientOf('beijing', center.url, { tuning: { pendingBytesMax: 100_000, pendingAppendsMax: 50, callTimeoutMs: 500 } })
  await append(writer, S, 'first')
  center.freeze()
  const stop = new AbortController()
  const big = writer.append(S, { epoch: 1, payload: Buffer.alloc(90_000) }, { signal: stop.signal })
  t.equal(await codeOf(append(writer, S, Buffer.alloc(20_000))), 'LOG_OVERLOADED')
  stop.abort(new Error('no more patience'))
  await t.rejects(big, /no more patience/)
  t.equal(await codeOf(writer.bounds(S)), 'LOG_UNREACHABLE')
  t.match(writer.connection(), { state: 'unreachable' })
  center.thaw()
  await append(writer, S, 'again')
  t.same(writer.connection(), { state: 'connected' })
})

t.test('a newer link of the same writer ends the older one', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  const open = (writer: string): Promise<Response> => {
    const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xd8, 0x07, 0x27])) })
    const headers = { authorization: `Bearer ${tokenOf('beijing')}`, 'content-type': 'application/vnd.cellway.frames', 'x-cellway-writer': writer }
    return fetch(`${center.url}/v1/streams/${S}/records`, { method: 'POST', headers, body, duplex: 'half', signal: soon() } as RequestInit)
  }
  const first = await open('one')
  await open('another')
  await open('one')
  let text = ''
  try {
    for await (const piece of first.body ?? []) text += Buffer.from(piece).toString('latin1')
  } catch {
    // The connection is closed under a request that has not ended.
  }
  t.match(text, /CTR_SUPERSEDED/)
  t.equal(await metricOf(center, 'cellway_center_uploads'), 2)
})

t.test('a graceful stop answers what it has taken', async (t) => {
  const folder = t.testdir({})
  await using center = await makeCenterProcess({ folder })
  await center.start()
  await using clients = clientsOf(['beijing', 'shanghai'], () => center.url)
  const [writer, reader] = [clients.of('beijing'), clients.of('shanghai')]
  await append(writer, S, '1')
  const reading = readSome(reader, S, 'oldest', 22)
  const flying = Promise.allSettled(Array.from({ length: 20 }, (_, at) => append(writer, S, String(at + 2))))
  const startedMs = performance.now()
  t.equal(await center.stop(), 0)
  t.ok(performance.now() - startedMs < 7000, 'in time')
  const outcomes = await flying
  const taken = outcomes.filter(({ status }) => status === 'fulfilled').length
  t.match(center.log(), /center stopping/)
  const { code, output } = await runCenter(['verify', center.dataFolder])
  t.equal(code, 0)
  const next: unknown = JSON.parse(output).streams[0].held.next
  t.ok(typeof next === 'number' && next >= taken + 2, `${taken} acknowledged, ${next} is next`)
  await center.start()
  for (let at = Number(next); at <= 22; at += 1) await append(writer, S, String(at))
  t.equal((await reading).length, 22, 'the reader went over the stop without a word')
})

t.test('numbers and status', async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}) })
  await center.start()
  await using clients = clientsOf(['beijing', 'shanghai'], () => center.url)
  const [writer, reader] = [clients.of('beijing'), clients.of('shanghai')]
  const { logId } = await append(writer, S, 'x'.repeat(1000))
  for (let at = 0; at < 9; at += 1) await append(writer, S, 'x'.repeat(1000))
  await reader.retain(S, 'shanghai', { logId, sequence: 4 })
  const read: AsyncIterator<unknown> = reader.read(S, 'oldest', { maxBytes: 1, signal: soon() })
  for (let at = 0; at < 3; at += 1) await read.next()
  await until(async () => (await metricOf(center, 'cellway_center_read_lag_records{stream="beijing/mysql",reader="shanghai"}')) === 8)
  t.equal(await metricOf(center, 'cellway_center_retained_lag_records{stream="beijing/mysql",reader="shanghai"}'), 7)
  t.equal(await metricOf(center, 'cellway_center_appends_total{stream="beijing/mysql"}'), 10)
  t.ok((await metricOf(center, 'cellway_center_append_bytes_total{stream="beijing/mysql"}')) >= 10_000)
  t.ok((await metricOf(center, 'cellway_center_fsync_seconds_count')) >= 10)
  t.equal(await metricOf(center, 'cellway_center_append_seconds_count'), 10)
  t.equal(await metricOf(center, 'cellway_center_stream_next{stream="beijing/mysql"}'), 11)
  t.ok((await metricOf(center, 'cellway_center_stream_bytes{stream="beijing/mysql"}')) > 10_000)
  const status = await fetch(`${center.url}/v1/streams`, { headers: { authorization: `Bearer ${tokenOf('operator')}` } })
  t.match(await status.json(), {
    streams: [
      {
        stream: S,
        logId,
        first: 1,
        next: 11,
        epoch: 1,
        retainers: [{ reader: 'shanghai', position: 4, lag: 7 }],
        reads: [{ reader: 'shanghai', next: 3, lag: 8 }]
      }
    ]
  })
  await read.return?.()
})

async function until(check: () => Promise<boolean>): Promise<void> {
  const deadline = soon()
  while (!(await check())) await sleep(50, undefined, { signal: deadline })
}

t.test('over TLS', async (t) => {
  const { generate } = await import('selfsigned')
  const { writeFileSync } = await import('node:fs')
  const folder = t.testdir({})
  const altNames = [{ type: 7, ip: '127.0.0.1' } as const]
  const { cert, private: key } = await generate([{ name: 'commonName', value: '127.0.0.1' }], { extensions: [{ name: 'subjectAltName', altNames }] })
  const tls = { certFile: `${folder}/cert.pem`, keyFile: `${folder}/key.pem` }
  writeFileSync(tls.certFile, cert)
  writeFileSync(tls.keyFile, key)
  await using center = await makeCenterProcess({ folder, tls })
  await center.start()
  const url = center.url.replace('http:', 'https:')
  await using writer: RemoteLog = clientOf('beijing', url, { ca: cert })
  await append(writer, S, 'over TLS')
  t.same(textOf(await readSome(writer, S, 'oldest', 1)), ['over TLS'])
  await using careless = clientOf('beijing', url, { tuning: { callTimeoutMs: 500 } })
  t.equal(await codeOf(careless.bounds(S)), 'LOG_UNREACHABLE', 'a certificate of nobody we know')
})

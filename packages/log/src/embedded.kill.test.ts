import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { openEmbeddedLog } from './embedded.ts'
import type { LogEvent } from './log.ts'
import { codeOf, soon } from './testing.ts'

const MODULE = JSON.stringify(new URL('./embedded.ts', import.meta.url).href)
const STREAMS = ['beijing/main', 'shanghai/main'] as const
const SEGMENT_BYTES = 300_000

/** Four appenders on two streams, as fast as they can; a line for each record that was acknowledged. */
const WRITER = `
  import { openEmbeddedLog } from ${MODULE}
  import { writeSync } from 'node:fs'
  import { crc32 } from 'node:zlib'
  const [folder, round] = process.argv.slice(1)
  const log = await openEmbeddedLog({ folder, segmentBytes: ${SEGMENT_BYTES} })
  writeSync(1, 'ready\\n')
  const appender = async (index) => {
    const stream = ${JSON.stringify(STREAMS)}[index % 2]
    for (let at = 0; ; at += 1) {
      const body = Buffer.from('/' + round + '/' + index + '/' + at + '/' + 'payload '.repeat((at * 7919) % 9000 >> (at % 5)))
      const payload = Buffer.concat([Buffer.from(String(crc32(body))), body])
      const { sequence } = await log.append(stream, { epoch: 1, payload }, { signal: AbortSignal.timeout(60000) })
      writeSync(1, [stream, sequence, crc32(payload)].join(' ') + '\\n')
    }
  }
  await Promise.all([0, 1, 2, 3].map(appender))`

const ROUNDS_MIN = 4
const ROUNDS_MAX = 40
const BUDGET_MS = 12_000

interface Acknowledged {
  readonly stream: string
  readonly sequence: number
  readonly checksum: number
}

t.test('kill -9 in the middle of appends: everything acknowledged is there, in order, nothing half', async (t) => {
  const folder = path.join(t.testdir({}), 'log')
  const startedMs = performance.now()
  const acknowledged: Acknowledged[] = []
  const events: LogEvent[] = []
  let rounds = 0
  let records = 0
  while (rounds < ROUNDS_MIN || (rounds < ROUNDS_MAX && performance.now() - startedMs < BUDGET_MS)) {
    rounds += 1
    const newest = await runAndKill(folder, rounds)
    acknowledged.push(...newest)
    await using log = await openEmbeddedLog({ folder, segmentBytes: SEGMENT_BYTES, onEvent: (event) => events.push(event) })
    records = 0
    for (const stream of await log.streams()) {
      const { logId, next } = await log.bounds(stream)
      const checksums = new Map<number, number>()
      const last = new Map<string, number>()
      for await (const batch of log.read(stream, { logId, sequence: 1 }, { maxBytes: 1_000_000, signal: soon() })) {
        for (const { sequence, payload } of batch.records) {
          checkRecord(payload, { sequence, expected: checksums.size + 1, last })
          checksums.set(sequence, crc32(payload))
        }
        if (batch.next.sequence === next) break
      }
      records += checksums.size
      const missing = acknowledged.filter((one) => one.stream === stream && checksums.get(one.sequence) !== one.checksum)
      if (missing.length > 0) t.fail('an acknowledged record is missing', { rounds, stream, missing: missing.slice(0, 5) })
    }
  }
  t.comment(`${rounds} rounds, ${acknowledged.length} acknowledged of ${records} records, ${events.length} torn tails`)
  t.ok(acknowledged.length >= rounds * 3, 'enough was written for the kills to land in something')
  t.ok(records >= acknowledged.length)
})

/** Whole, in its place, and behind what its appender wrote before. */
function checkRecord(payload: Buffer, { sequence, expected, last }: { sequence: number; expected: number; last: Map<string, number> }): void {
  const [checksum = '', round, index, at] = payload.subarray(0, 60).toString('latin1').split('/')
  if (Number(checksum) !== crc32(payload.subarray(checksum.length))) throw new Error(`half a record at ${sequence}`)
  if (sequence !== expected) throw new Error(`record ${sequence} in the place of ${expected}`)
  const key = `${round}/${index}`
  if ((last.get(key) ?? -1) >= Number(at)) throw new Error(`${at} of ${key} behind ${last.get(key)}`)
  last.set(key, Number(at))
}

async function runAndKill(folder: string, round: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, folder, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines: string[] = []
  // Counted in records and not only in time, so that a kill hits work on a busy machine too.
  const wanted = 1 + Math.floor(Math.random() * 200)
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'ready') lines.push(line)
    if (lines.length === wanted) setTimeout(() => child.kill('SIGKILL'), Math.random() * 5)
  }
  await exited
  // The last line may have been cut off by the kill.
  return lines
    .map((line) => /^(\S+) (\d+) (\d+)$/.exec(line))
    .flatMap((match) => (match === null ? [] : [{ stream: match[1] ?? '', sequence: Number(match[2]), checksum: Number(match[3]) }]))
    .slice(0, -1)
}

t.test('one process at a time', async (t) => {
  const folder = path.join(t.testdir({}), 'log')
  const script = `
    import { openEmbeddedLog } from ${MODULE}
    try { await openEmbeddedLog({ folder: process.argv[1] }); console.log('opened') } catch (error) { console.log(error.code) }
    process.exit()`
  const other = (): string =>
    execFileSync(process.execPath, ['--input-type=module', '-e', script, folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  {
    await using log = await openEmbeddedLog({ folder })
    t.equal(other(), 'LOG_LOCKED', 'another process')
    t.equal(await codeOf(openEmbeddedLog({ folder })), 'LOG_LOCKED', 'the same process')
    await log.append('beijing/main', { epoch: 1, payload: Buffer.from('still works') }, { signal: soon() })
  }
  t.equal(other(), 'opened', 'once the first has closed')
  t.equal(other(), 'opened', 'and once that one has ended without closing')
})

t.test('no warning is printed', async (t) => {
  const script = `
    import { openEmbeddedLog } from ${MODULE}
    process.on('warning', (warning) => console.log(warning.name))
    await using log = await openEmbeddedLog({ folder: process.argv[1] })
    await log.append('a/b', { epoch: 1, payload: Buffer.from('x') }, { signal: AbortSignal.timeout(10000) })`
  const folder = path.join(t.testdir({}), 'log')
  t.equal(execFileSync(process.execPath, ['--input-type=module', '-e', script, folder], { encoding: 'utf8' }), '')
})

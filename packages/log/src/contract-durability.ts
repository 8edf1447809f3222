import { crc32 } from 'node:zlib'
import { isCellwayError } from '@cellway/base'
import type { Test } from 'tap'
import type { Log, LogRecord } from './log.ts'
import { tick } from './testing.ts'

/** A log that can lose its process, and be opened again. */
export interface DurableLog {
  open(): Promise<Log>
  /** As if the machine had lost its power at this moment. The log that was open is of no use afterwards. */
  crash(): void
  readonly random: () => number
  readonly seed: number
}

const STREAMS = ['beijing/main', 'beijing/cache'] as const
const APPENDERS = 4
const ROUNDS = 60
const BUDGET_MS = 6000

/** Appenders write as fast as they can, the machine stops at a random moment, again and again. */
export async function testDurability(t: Test, durable: DurableLog): Promise<void> {
  const { problems, rounds, acknowledged } = await runCrashes(durable, { rounds: ROUNDS, budgetMs: BUDGET_MS })
  t.same(problems, [], `seed ${durable.seed}`)
  t.ok(rounds >= 3 && acknowledged >= rounds, `${rounds} crashes, ${acknowledged} acknowledged records, seed ${durable.seed}`)
}

export interface CrashReport {
  readonly problems: readonly string[]
  readonly rounds: number
  readonly acknowledged: number
}

/** What was wrong after each crash; nothing, for a log that keeps its promise. Ends at the first round that finds something. */
export async function runCrashes(
  durable: DurableLog,
  { rounds, budgetMs }: { readonly rounds: number; readonly budgetMs: number }
): Promise<CrashReport> {
  const startedMs = performance.now()
  const acknowledged = new Map<string, Map<number, string>>(STREAMS.map((stream) => [stream, new Map()]))
  const total = (): number => [...acknowledged.values()].reduce((sum, records) => sum + records.size, 0)
  let round = 0
  while (round < rounds && (round < 3 || performance.now() - startedMs < budgetMs)) {
    round += 1
    const log = await durable.open()
    await writeUntilCrash(log, { durable, round, acknowledged })
    const problems = await findProblems(durable, acknowledged)
    if (problems.length > 0) return { problems, rounds: round, acknowledged: total() }
  }
  return { problems: [], rounds: round, acknowledged: total() }
}

interface WriteOptions {
  readonly durable: DurableLog
  readonly round: number
  readonly acknowledged: ReadonlyMap<string, Map<number, string>>
}

async function writeUntilCrash(log: Log, { durable, round, acknowledged }: WriteOptions): Promise<void> {
  const wanted = 1 + Math.floor(durable.random() * 12)
  let count = 0
  let stopped = false
  const crashed = Promise.withResolvers<void>()
  const appender = async (index: number): Promise<void> => {
    const stream = STREAMS[index % STREAMS.length] ?? STREAMS[0]
    for (let at = 0; !stopped; at += 1) {
      const payload = payloadOf(`${round}/${index}/${at}`, Math.floor(durable.random() ** 3 * 3000))
      try {
        const { sequence } = await log.append(stream, { epoch: round, payload }, { signal: AbortSignal.timeout(20_000) })
        // An acknowledgement that comes after the crash was never seen by anybody.
        if (stopped) return
        acknowledged.get(stream)?.set(sequence, payload.toString('latin1'))
      } catch (cause) {
        if (!stopped) throw cause
        return
      }
      count += 1
      if (count === wanted) void crashSoon()
    }
  }
  const crashSoon = async (): Promise<void> => {
    // Some steps later: in the middle of a write, before its sync, between sync and answer.
    for (let steps = Math.floor(durable.random() * 30); steps > 0; steps -= 1) await (steps % 3 === 0 ? tick() : Promise.resolve())
    stopped = true
    durable.crash()
    crashed.resolve()
  }
  const appenders = Promise.all(Array.from({ length: APPENDERS }, (_, index) => appender(index)))
  await Promise.all([crashed.promise, appenders])
}

async function findProblems(durable: DurableLog, acknowledged: ReadonlyMap<string, Map<number, string>>): Promise<string[]> {
  let log: Log
  try {
    log = await durable.open()
  } catch (cause) {
    return [`does not open: ${isCellwayError(cause) ? `${cause.code} ${JSON.stringify(cause.details)}` : String(cause)}`]
  }
  const problems: string[] = []
  const known = await log.streams()
  for (const [stream, records] of acknowledged) {
    if (known.includes(stream)) problems.push(...problemsOf(stream, await readAll(log, stream), records))
    else if (records.size > 0) problems.push(`${stream} is gone with ${records.size} acknowledged records`)
  }
  await log[Symbol.asyncDispose]()
  return problems
}

function problemsOf(stream: string, found: readonly LogRecord[], acknowledged: ReadonlyMap<number, string>): string[] {
  const problems: string[] = []
  const bySequence = new Map(found.map((record) => [record.sequence, record.payload.toString('latin1')]))
  for (const [sequence, payload] of acknowledged) {
    if (bySequence.get(sequence) !== payload)
      problems.push(`${stream}: ${bySequence.has(sequence) ? 'another' : 'no'} record at the acknowledged ${sequence}`)
  }
  const newest = new Map<string, number>()
  for (const [at, { sequence, payload }] of found.entries()) {
    if (sequence !== at + 1) problems.push(`${stream}: record ${sequence} in the place of ${at + 1}`)
    const [checksum = '', round = '', appender = '', number = ''] = payload.toString('latin1').split('/', 4)
    if (Number(checksum) !== crc32(payload.subarray(checksum.length))) problems.push(`${stream}: half a record at ${sequence}`)
    const key = `${round}/${appender}`
    if ((newest.get(key) ?? -1) >= Number(number)) problems.push(`${stream}: ${number} of ${key} behind ${newest.get(key)}`)
    newest.set(key, Number(number))
  }
  return problems
}

async function readAll(log: Log, stream: string): Promise<LogRecord[]> {
  const { logId, first, next } = await log.bounds(stream)
  const records: LogRecord[] = []
  if (first === next) return records
  for await (const batch of log.read(stream, { logId, sequence: first }, { maxBytes: 4096, signal: AbortSignal.timeout(20_000) })) {
    records.push(...batch.records)
    if (batch.next.sequence === next) break
  }
  return records
}

/** `checksum/round/appender/number/…`, so that a record tells whether it is whole. */
function payloadOf(name: string, padding: number): Buffer {
  const body = Buffer.from(`/${name}/${'ab\u0000c'.repeat(padding / 4)}`, 'latin1')
  return Buffer.concat([Buffer.from(String(crc32(body))), body])
}

/** Numbers that a seed brings back (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

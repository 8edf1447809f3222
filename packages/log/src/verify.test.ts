import t from 'tap'
import { openEmbeddedLog } from './embedded.ts'
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './frame.ts'
import type { SimulatedFiles } from './simulated-files.ts'
import { createSimulatedFiles } from './simulated-files.ts'
import { append, codeOf, soon } from './testing.ts'
import { verifyLog } from './verify.ts'

const S = 'beijing/main'
const RECORD = RECORD_HEADER_BYTES + 1000
const options = { segmentBytes: 4 * RECORD }
const fileOf = (base: number): string => `/log/beijing+main/${String(base).padStart(16, '0')}.log`

async function makeLog(): Promise<SimulatedFiles> {
  const files = createSimulatedFiles()
  await using log = await openEmbeddedLog({ folder: '/log', files: files.boot(), ...options })
  for (let at = 1; at <= 10; at += 1) await append(log, S, 'x'.repeat(1000), 2)
  await append(log, 'beijing/cache', 'whole')
  return files
}

t.test('a log that is whole, and one that would not open', async (t) => {
  const files = await makeLog()
  const good = await verifyLog({ folder: '/log', files: files.boot(), signal: soon() })
  t.match(good, {
    ok: true,
    streams: [
      { stream: 'beijing/cache', held: { next: 2 } },
      { stream: S, held: { first: 1, next: 11, epoch: 2 }, tornBytes: 0 }
    ]
  })
  files.flipBit(fileOf(5), SEGMENT_HEADER_BYTES + RECORD + 500)
  const bad = await verifyLog({ folder: '/log', files: files.boot(), signal: soon() })
  t.match(bad, {
    ok: false,
    streams: [{ problem: undefined }, { problem: { code: 'LOG_CORRUPT', details: { file: fileOf(5), offset: SEGMENT_HEADER_BYTES + RECORD } } }]
  })
  t.equal(await codeOf(openEmbeddedLog({ folder: '/log', files: files.boot(), ...options })), 'LOG_CORRUPT', 'as opening it says')
})

t.test('a torn end is told and left as it is', async (t) => {
  const files = await makeLog()
  const before = { path: fileOf(9), bytes: SEGMENT_HEADER_BYTES + 2 * RECORD }
  // As a process leaves it that was killed in the middle of a write, without an orderly close.
  await openEmbeddedLog({ folder: '/log', files: files.boot(), ...options })
  files.crash({ random: () => 0, keepChance: 1 })
  const boot = files.boot()
  const file = await boot.open(before.path, 'write')
  await file.write(Buffer.alloc(300), before.bytes)
  await file.sync()
  await file.close()
  for (const round of [1, 2]) {
    const { ok, streams } = await verifyLog({ folder: '/log', files: boot, signal: soon() })
    t.match({ ok, torn: streams[1]?.tornBytes, next: streams[1]?.held?.next }, { ok: true, torn: 300, next: 11 }, `round ${round}`)
  }
})

t.test('not beside the process that has it open', async (t) => {
  const files = await makeLog()
  await using _running = await openEmbeddedLog({ folder: '/log', files: files.boot(), ...options })
  t.equal(await codeOf(verifyLog({ folder: '/log', files: files.boot(), signal: soon() })), 'LOG_LOCKED')
})

import t from 'tap'
import { openEmbeddedLog } from './embedded.ts'
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './frame.ts'
import { salvage } from './salvage.ts'
import type { SimulatedFiles } from './simulated-files.ts'
import { createSimulatedFiles } from './simulated-files.ts'
import { append, codeOf, readSome, soon, textOf } from './testing.ts'

const S = 'beijing/main'
const RECORD = RECORD_HEADER_BYTES + 1000
const options = { segmentBytes: 4 * RECORD }
const fileOf = (base: number): string => `/log/beijing+main/${String(base).padStart(16, '0')}.log`

async function makeLog(): Promise<{ files: SimulatedFiles; logId: string }> {
  const files = createSimulatedFiles()
  await using log = await openEmbeddedLog({ folder: '/log', files: files.boot(), ...options })
  for (let at = 1; at <= 20; at += 1) await append(log, S, `${at} `.padEnd(1000, 'x'), at > 10 ? 3 : 2)
  await append(log, 'beijing/cache', 'whole')
  return { files, logId: (await log.identity(S)).logId }
}

async function salvaged(files: SimulatedFiles): Promise<{ report: unknown; numbers: number[]; logId: string; epoch: number }> {
  const report = await salvage({ folder: '/log', into: '/new', files: files.boot(), signal: soon() })
  await using log = await openEmbeddedLog({ folder: '/new', files: files.boot() })
  const { next } = await log.bounds(S)
  const records = await readSome(log, S, 'oldest', next - 1)
  t.same(textOf(await readSome(log, 'beijing/cache', 'oldest', 1)), ['whole'])
  return { report, numbers: textOf(records).map((text) => Number.parseInt(text, 10)), ...(await log.identity(S)) }
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at)
const whole = { stream: 'beijing/cache', records: 1, lost: [] }

t.test('a log that is whole', async (t) => {
  const { files, logId } = await makeLog()
  const { report, ...found } = await salvaged(files)
  t.same(report, { streams: [whole, { stream: S, records: 20, lost: [] }] })
  t.same(found.numbers, numbers(1, 20))
  t.equal(found.epoch, 3)
  t.not(found.logId, logId, 'readers must not take it for the old one')
})

t.test('what is damaged is told to the record', async (t) => {
  const { files } = await makeLog()
  files.flipBit(fileOf(5), SEGMENT_HEADER_BYTES + RECORD + 500)
  files.flipBit(fileOf(9), SEGMENT_HEADER_BYTES + 2 * RECORD + 1)
  files.flipBit(fileOf(9), SEGMENT_HEADER_BYTES + 3 * RECORD + 500)
  files.flipBit(fileOf(17), SEGMENT_HEADER_BYTES + 3 * RECORD + 700)
  t.equal(await codeOf(openEmbeddedLog({ folder: '/log', files: files.boot(), ...options })), 'LOG_CORRUPT')
  const { report, ...found } = await salvaged(files)
  const finding = 'a checksum that does not match'
  t.same(report, {
    streams: [
      whole,
      {
        stream: S,
        records: 16,
        lost: [
          { file: fileOf(5), first: 6, last: 6, bytes: RECORD, finding },
          { file: fileOf(9), first: 11, last: 12, bytes: 2 * RECORD, finding },
          { file: fileOf(17), first: 20, last: undefined, bytes: RECORD, finding }
        ]
      }
    ]
  })
  t.same(found.numbers, [...numbers(1, 5), ...numbers(7, 10), ...numbers(13, 19)])
})

t.test('headers, stream.json and whole segments may be missing', async (t) => {
  const { files } = await makeLog()
  files.flipBit(fileOf(5), 33)
  files.flipBit('/log/beijing+main/stream.json', 40)
  files.remove(fileOf(13))
  const { report, ...found } = await salvaged(files)
  t.match(report, {
    streams: [
      whole,
      {
        records: 12,
        lost: [
          { file: fileOf(5), first: 5, last: 8 },
          { file: fileOf(17), first: 13, last: 16 }
        ]
      }
    ]
  })
  t.same(found.numbers, [...numbers(1, 4), ...numbers(9, 12), ...numbers(17, 20)])
})

t.test('it does not run over a log, and not beside its process', async (t) => {
  const { files } = await makeLog()
  {
    await using _running = await openEmbeddedLog({ folder: '/log', files: files.boot(), ...options })
    t.equal(await codeOf(salvage({ folder: '/log', into: '/new', files: files.boot(), signal: soon() })), 'LOG_LOCKED')
  }
  {
    await using other = await openEmbeddedLog({ folder: '/other', files: files.boot() })
    await append(other, S, 'x')
  }
  t.equal(await codeOf(salvage({ folder: '/log', into: '/other', files: files.boot(), signal: soon() })), 'LOG_REQUEST_INVALID')
})

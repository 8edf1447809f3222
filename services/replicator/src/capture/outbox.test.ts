import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BuiltRecord, parsePosition } from '@cellway/change'
import t from 'tap'
import { Outbox } from './outbox.ts'
import { Spill } from './spill.ts'

/** Records come out as they went in, whatever lies in memory and whatever on the disk. */

const signal = AbortSignal.timeout(30_000)

function record(sequence: number, bytes: number): BuiltRecord {
  const position = parsePosition('mariadb', `0-1-${sequence}`)
  const origin = { cell: 'beijing', store: 'mysql', kind: 'mariadb' } as const
  const flags = { partIndex: 0, firstPart: true, lastPart: true, hasFence: false, hasBarrier: false, codec: 'none' } as const
  return {
    envelope: { origin, streamEpoch: 1, producerSequence: sequence, from: position, to: position, ...flags },
    bytes: Buffer.alloc(bytes, sequence % 256)
  }
}

const facts = { transactions: 1, builtMs: 0, commitTimeUs: 0 }

async function withOutbox(work: (outbox: Outbox, spill: Spill, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-outbox-'))
  const spill = new Spill({ folder, prefix: 'beijing.mysql', fileBytes: 10_000 })
  const outbox = new Outbox({ spill, memoryBytesMax: 5000, spillBytesMax: 50_000, onChange: () => {} })
  try {
    await work(outbox, spill, folder)
  } finally {
    await spill.clear()
    await rm(folder, { recursive: true, force: true })
  }
}

t.test('order and bytes survive the disk', (t) =>
  withOutbox(async (outbox, spill, folder) => {
    for (let sequence = 1; sequence <= 40; sequence += 1) outbox.push(record(sequence, 1000), facts)
    t.ok(spill.bytes >= 30_000, `${spill.bytes} bytes on the disk`)
    for (let sequence = 1; sequence <= 40; sequence += 1) {
      const next = await outbox.next()
      t.equal(next?.entry.sequence, sequence)
      t.ok(next?.content.equals(Buffer.alloc(1000, sequence % 256)))
      t.equal((await outbox.shift())?.sequence, sequence)
    }
    t.equal(await outbox.next(), undefined)
    t.equal(spill.bytes, 0, 'an empty spill holds nothing')
    t.ok((await readdir(folder)).length <= 1, 'files that were read are gone')
  })
)

t.test('full from the bound on, room again below it', (t) =>
  withOutbox(async (outbox) => {
    let pushed = 0
    while (!outbox.isFull) {
      pushed += 1
      outbox.push(record(pushed, 1000), facts)
      while (outbox.memoryBytes > 6000) await outbox.changed(signal)
    }
    t.ok(pushed >= 50 && pushed <= 60, `${pushed} records`)
    t.notOk(outbox.hasRoom)
    while (!outbox.hasRoom) {
      await outbox.next()
      await outbox.shift()
    }
    t.ok(outbox.length > 20, `${outbox.length} left`)
    t.notOk(outbox.isFull)
  })
)

t.test('rewound, it gives the same records again', (t) =>
  withOutbox(async (outbox) => {
    for (let sequence = 1; sequence <= 12; sequence += 1) outbox.push(record(sequence, 1000), facts)
    for (let taken = 0; taken < 8; taken += 1) await outbox.next()
    await outbox.shift()
    await outbox.shift()
    outbox.rewind()
    const sequences: number[] = []
    for (let next = await outbox.next(); next !== undefined; next = await outbox.next()) sequences.push(next.entry.sequence)
    t.same(sequences, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  })
)

t.test('files of an earlier process are removed, others are not', (t) =>
  withOutbox(async (outbox, _spill, folder) => {
    await writeFile(join(folder, 'beijing.mysql.7.spill'), 'old')
    await writeFile(join(folder, 'shanghai.mysql.1.spill'), 'of another cell')
    for (let sequence = 1; sequence <= 9; sequence += 1) outbox.push(record(sequence, 1000), facts)
    while (outbox.memoryBytes > 5000) await outbox.changed(signal)
    const names = await readdir(folder)
    t.notOk(names.includes('beijing.mysql.7.spill'))
    t.ok(names.includes('shanghai.mysql.1.spill'))
  })
)

t.test('a disk that cannot be written ends the sending', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-outbox-'))
  await writeFile(join(folder, 'file'), '')
  const spill = new Spill({ folder: join(folder, 'file', 'below'), prefix: 'a' })
  const outbox = new Outbox({ spill, memoryBytesMax: 10, onChange: () => {} })
  outbox.push(record(1, 1000), facts)
  await outbox.changed(signal)
  await t.rejects(outbox.next(), { code: 'CAP_SPILL_FAILED' })
  await rm(folder, { recursive: true, force: true })
})

import t from 'tap'
import type { CorpusRow } from './corpus.ts'
import { startGateway } from './gateway-fixture.ts'
import { goodRequests } from './good-requests.ts'
import { hostileCorpus } from './hostile-corpus.ts'
import type { Slicing } from './raw-client.ts'
import { runGoodRow, runRow, type Target } from './run-row.ts'

/** Longer rows are cut in two only: one write per byte of a 64 KiB header shows nothing more and takes seconds. */
const BYTEWISE_MAX = 400

const seed = Number(process.env.CELLWAY_SEED ?? Date.now() % 1_000_000)
const random = createRandom(seed)

t.setTimeout(120_000)

const gateway = await startGateway()
t.teardown(() => gateway[Symbol.asyncDispose]())
const target: Target = { port: gateway.port, upstreams: gateway.upstreams, world: gateway.world, deadlineMs: 2_000 }

t.comment(`seed ${seed}: CELLWAY_SEED=${seed} repeats the cuts`)

for (const [group, rows] of Object.entries(hostileCorpus)) {
  t.test(`hostile, in pieces: ${group}`, async (t) => {
    for (const row of rows) {
      const slicing = slicingOf(row)
      await t.test(`${row.id} (${name(slicing)})`, async (t) => {
        t.same(await runRow(row, target, slicing), [])
      })
    }
  })
}

t.test('good requests pass in pieces as well', async (t) => {
  for (const row of goodRequests) {
    const slicing = slicingOf(row)
    await t.test(`${row.id} (${name(slicing)})`, async (t) => {
      t.same(await runGoodRow(row, target, slicing), [])
    })
  }
})

function slicingOf({ bytes }: Pick<CorpusRow, 'bytes'>): Slicing {
  return bytes.length <= BYTEWISE_MAX ? 'bytes' : [1 + Math.floor(random() * (bytes.length - 1))]
}

function name(slicing: Slicing): string {
  return typeof slicing === 'string' ? 'byte by byte' : `cut at ${slicing.join(', ')}`
}

/** mulberry32: small, seeded, the same everywhere. */
function createRandom(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

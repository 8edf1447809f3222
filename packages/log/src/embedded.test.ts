import { randomInt, randomUUID } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { testLogContract } from './contract.ts'
import type { DurableLog } from './contract-durability.ts'
import { runCrashes, seededRandom } from './contract-durability.ts'
import { openEmbeddedLog } from './embedded.ts'
import type { SimulatedFilesOptions } from './simulated-files.ts'
import { createSimulatedFiles } from './simulated-files.ts'

const root = t.testdir({})
/** Small segments, so that the suite meets many of them. */
const small = { segmentBytes: 20_000 }

await testLogContract(t, {
  name: 'embedded on the disk',
  open: async (options) => openEmbeddedLog({ folder: path.join(root, randomUUID()), ...small, ...options })
})

await testLogContract(t, {
  name: 'embedded on a simulated disk',
  open: async (options) => openEmbeddedLog({ folder: '/log', files: createSimulatedFiles().boot(), ...small, ...options }),
  durable: () => simulatedLog(randomInt(2 ** 31))
})

function simulatedLog(seed: number, options: SimulatedFilesOptions = {}): DurableLog {
  const random = seededRandom(seed)
  const files = createSimulatedFiles(options)
  return {
    seed,
    random,
    open: () => openEmbeddedLog({ folder: '/log', files: files.boot(), segmentBytes: 4000, groupBytesMax: 3000 }),
    crash: () => files.crash({ random, keepChance: [0, 0.5, 0.9, 1][Math.floor(random() * 4)] ?? 0 })
  }
}

for (const sync of ['late', 'never'] as const) {
  t.test(`the suite finds a log that acknowledges before its records are durable (${sync})`, async (t) => {
    const seed = randomInt(2 ** 31)
    const { problems, rounds } = await runCrashes(simulatedLog(seed, { sync }), { rounds: 100, budgetMs: 10_000 })
    t.ok(problems.length > 0, `after ${rounds} crashes, seed ${seed}: ${problems[0]}`)
  })
}

import { randomInt, randomUUID } from 'node:crypto'
import path from 'node:path'
import type { Log } from '@cellway/log'
import t from 'tap'
import { testLogContract } from '../../../packages/log/src/contract.ts'
import type { DurableLog } from '../../../packages/log/src/contract-durability.ts'
import { seededRandom } from '../../../packages/log/src/contract-durability.ts'
import type { CenterProcess } from './center-process.ts'
import { everybody, makeCenterProcess, startCenterHost } from './center-process.ts'

/** The suite of the log port, over HTTP, against a center that is a process of its own. */

// Every part of the suite starts centers of its own.
t.setTimeout(180_000)
const root = t.testdir({})
const centers = new Set<CenterProcess>()
t.teardown(() => Promise.all([...centers].map((center) => center[Symbol.asyncDispose]())))

async function openCenter(folder: string, streamBytesMax?: number): Promise<{ center: CenterProcess; log: Log }> {
  // Small segments, so that the suite meets many of them.
  const retention = streamBytesMax === undefined ? {} : { retention: { streamBytesMax } }
  const center = await makeCenterProcess({ folder, config: { limits: { segmentBytes: 20_000 }, ...retention } })
  centers.add(center)
  await center.start()
  return { center, log: everybody(center.url) }
}

// The suite's property opens one log after the other, and a start of the process for each would leave it no time.
const PROCESSES_MAX = 11
const host = startCenterHost()
t.teardown(() => host[Symbol.asyncDispose]())
let opened = 0

await testLogContract(t, {
  name: 'remote',
  async open({ streamBytesMax }) {
    opened += 1
    return opened > PROCESSES_MAX ? openHosted() : openProcess(streamBytesMax)
  },
  durable: () => killedCenter(randomInt(2 ** 31))
})
t.ok(opened > PROCESSES_MAX, `${opened} logs, the first ${PROCESSES_MAX} in processes of their own`)

async function openProcess(streamBytesMax: number | undefined): Promise<Log> {
  const { center, log } = await openCenter(path.join(root, randomUUID()), streamBytesMax)
  return {
    ...log,
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      await center[Symbol.asyncDispose]()
      centers.delete(center)
    }
  }
}

async function openHosted(): Promise<Log> {
  const url = await host.open({ dataFolder: path.join(root, randomUUID()), limits: { segmentBytes: 20_000 } })
  const log = everybody(url)
  return {
    ...log,
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      await host.close(url)
    }
  }
}

/** A crash is a SIGKILL: what the process held is gone, and its disk is as it left it. */
function killedCenter(seed: number): DurableLog {
  const random = seededRandom(seed)
  const folder = path.join(root, randomUUID())
  let open: { center: CenterProcess; log: Log } | undefined
  const close = async (): Promise<void> => {
    await open?.log[Symbol.asyncDispose]()
    await open?.center[Symbol.asyncDispose]()
    open = undefined
  }
  return {
    seed,
    random,
    async open() {
      await close()
      open = await openCenter(folder)
      return open.log
    },
    crash() {
      open?.center.killNow()
      void open?.log[Symbol.asyncDispose]()
    }
  }
}

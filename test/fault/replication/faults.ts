import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, ClusterCell } from '../../integration/replication/cluster.ts'

export interface Fault {
  readonly name: string
  /** Makes it bad, waits, and makes it good again. */
  inflict(cluster: Cluster, cell: ClusterCell, ms: number): Promise<void>
}

/** Every process dies and freezes, every link is cut, goes silent and is slow. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'replicator killed',
    inflict: async (_cluster, { replicator }, ms) => {
      await replicator.kill()
      await sleep(ms)
      await replicator.start()
    }
  },
  {
    name: 'center killed',
    inflict: async ({ center }, _cell, ms) => {
      await center.kill()
      await sleep(ms)
      await center.start()
    }
  },
  {
    name: 'database killed',
    inflict: async (_cluster, { database }, ms) => {
      await database.kill()
      await sleep(ms)
      await database.start()
    }
  },
  {
    name: 'link to the center cut',
    inflict: (_cluster, { links }, ms) =>
      during(
        ms,
        () => links.center.cut(),
        () => links.center.heal()
      )
  },
  {
    name: 'link to the center silent',
    inflict: (_cluster, { links }, ms) =>
      during(
        ms * 2,
        () => links.center.blackhole(),
        () => links.center.heal()
      )
  },
  {
    name: 'link to the center slow',
    inflict: (_cluster, { links }, ms) =>
      during(
        ms,
        () => links.center.delay(60),
        () => links.center.heal()
      )
  },
  {
    name: 'link to the database cut',
    inflict: (_cluster, { links }, ms) =>
      during(
        ms,
        () => links.mysql.cut(),
        () => links.mysql.heal()
      )
  },
  {
    name: 'link to the database silent',
    inflict: (_cluster, { links }, ms) =>
      during(
        ms * 2,
        () => links.mysql.blackhole(),
        () => links.mysql.heal()
      )
  },
  {
    name: 'replicator frozen',
    inflict: (_cluster, { replicator }, ms) =>
      during(
        ms,
        () => replicator.freeze(),
        () => replicator.thaw()
      )
  },
  {
    name: 'center frozen',
    inflict: ({ center }, _cell, ms) =>
      during(
        ms,
        () => center.freeze(),
        () => center.thaw()
      )
  },
  {
    name: 'database frozen',
    inflict: (_cluster, { database }, ms) =>
      during(
        ms,
        () => database.freeze(),
        () => database.thaw()
      )
  },
  {
    name: 'replicator asked to stop',
    inflict: async (_cluster, { replicator }, ms) => {
      await replicator.stop()
      await sleep(ms)
      await replicator.start()
    }
  }
]

async function during(ms: number, begin: () => void, end: () => void): Promise<void> {
  begin()
  try {
    await sleep(ms)
  } finally {
    end()
  }
}

import { judge as judgeRequest, type Verdict } from '@cellway/topology'
import type { Adopted, DataPlane } from '../data-plane.ts'
import type { ValidHead } from '../http/head.ts'
import { readsFromOwner } from '../read-your-writes.ts'
import type { Routed } from './classify.ts'
import type { Exchange } from './exchange.ts'

/** Phase 3: who owns the bucket now, and what follows from it. Sent so far: nothing. */
export function judge(plane: DataPlane, exchange: Exchange, classification: Routed, { snapshot, compiled }: Adopted): Verdict {
  exchange.judgedVersion = snapshot.version
  return judgeRequest(compiled, classification, {
    selfCell: plane.selfCell,
    hopped: exchange.hop !== undefined,
    readsFromOwner: readsFromOwner(classification, exchange.head as ValidHead, plane.clock.nowMs())
  })
}

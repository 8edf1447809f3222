import type { Clock } from '@cellway/base'
import type { PolicyConfig } from '@cellway/conflict'
import type { Logger } from '@cellway/telemetry'
import type { ApplyGate } from '../bootstrap/gate.ts'
import type { CellContext } from '../context.ts'
import type { Session } from '../store/session.ts'
import type { AppliedPositions } from './applied-positions.ts'
import type { BatchLane } from './batch-lane.ts'
import type { ExactLane } from './exact-lane.ts'
import type { ApplyMetrics } from './metrics.ts'
import type { Ownership } from './ownership.ts'
import type { ParkedKeys } from './parked-keys.ts'
import type { Standing } from './standing.ts'
import type { TargetTables } from './target-tables.ts'

/** Everything that one run of an applier works with; made anew from the checkpoint after each interruption. */
export interface Workbench {
  readonly context: CellContext
  readonly clock: Clock
  readonly log: Logger
  readonly sourceCell: string
  /** Writes what is applied; its transactions carry the marks. */
  readonly session: Session
  /** For everything that is nobody's change. */
  readonly side: Session
  readonly standing: Standing
  readonly tables: TargetTables
  readonly ownership: Ownership
  readonly parked: ParkedKeys
  readonly positions: AppliedPositions
  readonly policies: PolicyConfig
  readonly batchLane: BatchLane
  readonly exactLane: ExactLane
  readonly metrics: ApplyMetrics
  readonly gate: ApplyGate
  readonly signal: AbortSignal
}

/** Begin again from the checkpoint: what was prepared is no longer right. */
export class BeginAgain extends Error {
  override readonly name = 'BeginAgain'
}

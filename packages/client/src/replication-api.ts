/** What control tells about replication, and what it passes on from the replicators of the cells. */

export type ReplicatorPhase = 'starting' | 'blocked' | 'running' | 'stopping'
export type PartState = 'starting' | 'running' | 'paused' | 'parked' | 'restarting' | 'stopped'

/** Why something stands, or what it waits for. */
export interface Explained {
  readonly reason: string | null
  readonly code: string | null
  /** What an operator has to run so that it goes on. */
  readonly statement: string | null
}

export interface CaptureReport extends Explained {
  readonly state: PartState
  /** In the coordinates of the cell's own store. */
  readonly position: string | null
  readonly transactions: number
  /** Changes of other cells that came back to us from the center; must stay 0. */
  readonly echoes: number
  /** On disk, because the center is slow or away. */
  readonly spilledBytes: number
}

/** Milliseconds: from the commit to the center's disk; from there to the applier; from there to the commit here. */
export interface LagStages {
  readonly captured: number | null
  readonly center: number | null
  readonly applied: number | null
}

export interface StreamReport extends Explained {
  readonly from: string
  readonly state: PartState
  readonly position: string | null
  readonly transactions: number
  readonly conflicts: number
  /** From the commit at the origin to the commit here; of the newest heartbeat, or the time since it if none came. */
  readonly lagMs: number | null
  readonly stages: LagStages
}

export interface ReplicatorStatus extends Explained {
  readonly phase: ReplicatorPhase
  readonly startedAt: string
  readonly epoch: number | null
  readonly snapshotVersion: number
  readonly server: string | null
  readonly rpo: string
  readonly capture: CaptureReport
  readonly streams: readonly StreamReport[]
  readonly conflicts: { readonly open: number; readonly parked: number }
}

/** What a replicator sends each second. */
export interface ReplicatorReport {
  readonly kind: 'replicator'
  readonly member: string
  readonly cell: string
  readonly adminUrl: string
  readonly adminSecret: string
  readonly status: ReplicatorStatus
}

export interface ReplicatorView extends Omit<ReplicatorStatus, 'streams'> {
  readonly cell: string
  readonly member: string
  readonly lastSeen: string
  /** No report for some seconds: everything here was true then. */
  readonly stale: boolean
}

/** One edge: the changes of one cell on their way into another one. */
export interface StreamView extends Omit<StreamReport, 'state'> {
  readonly stream: string
  readonly to: string
  readonly state: PartState | 'unknown'
}

export interface ConflictFilter {
  readonly state?: 'open' | 'all'
  readonly table?: string
  readonly source?: string
  /** Only older ones than this id: the next page. */
  readonly before?: number
  readonly limit?: number
}

/** One row of `cellway.conflict`, without its images. */
export interface ConflictRow {
  readonly id: string
  readonly at: string
  readonly source: string
  readonly gtid: string
  readonly table: string
  readonly key: string
  readonly class: string
  readonly policy: string
  readonly decision: string
  readonly reemit: string
  readonly resolution: string | null
  readonly resolvedBy: string | null
  readonly resolvedAt: string | null
}

/** Images are JSON text of the row, or null where there was none. */
export interface ConflictDetails extends ConflictRow {
  readonly before: string | null
  readonly after: string | null
  readonly current: string | null
  readonly result: string | null
  readonly space: string | null
  readonly bucket: string | null
  readonly originEpoch: number | null
  readonly ownerEpoch: number | null
}

export interface ConflictList {
  readonly conflicts: readonly ConflictRow[]
  readonly open: number
}

export interface ResolveConflict {
  readonly resolution: 'apply' | 'keep' | 'edit'
  /** With `edit`: the row as JSON text. */
  readonly row?: string
  readonly reason: string
}

export interface PreflightFinding {
  readonly code: string
  readonly level: 'error' | 'warning'
  readonly what: string
  readonly fixSql?: string
}

/** The progress of long work of one replicator. */
export interface Progress {
  readonly state: 'idle' | 'running' | 'done' | 'failed'
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly from: string | null
  /** 0 to 1 where it can be told. */
  readonly share: number | null
  readonly rowsPerSecond: number | null
  readonly etaMs: number | null
}

export interface BootstrapProgress extends Progress {
  readonly phase: string
  /** What it waits for, or why it stands. */
  readonly reason: string | null
  /** Being copied now. */
  readonly table: string | null
  readonly tablesDone: number
  readonly tablesTotal: number
  readonly rowsDone: number
  /** The source's own guess; it may be passed. */
  readonly rowsEstimated: number
}

export interface StartBootstrap {
  /** The cell to copy; may be left out where there are only two. */
  readonly from?: string
  /** Rows that are in the tables may go. */
  readonly wipe?: boolean
  /** Although the cell owns buckets. */
  readonly force?: boolean
  /** 0: as fast as it goes. */
  readonly rowsPerSecond?: number
  readonly reason: string
}

export interface Difference {
  readonly table: string
  readonly key: string
  /** Which side has what. */
  readonly kind: string
  readonly here: string | null
  readonly there: string | null
}

export interface VerifiedTable {
  readonly table: string
  readonly from: string
  readonly rows: number
  readonly differences: number
  readonly repaired: number
  readonly state: string
}

export interface Verification extends Progress {
  readonly error: { readonly code: string; readonly message: string } | null
  readonly tables: readonly VerifiedTable[]
  readonly differences: readonly Difference[]
}

export interface StartVerification {
  readonly from?: string
  readonly table?: string
  readonly repair?: boolean
  readonly reason: string
}

/** The declared tables as the cell's database describes them; given back to another replicator as they are. */
export interface SchemaOfCell {
  readonly cell: string
  readonly tables: readonly Readonly<Record<string, unknown>>[]
}

export interface SchemaDifference {
  readonly table: string
  readonly problem: string
  readonly statement: string
}

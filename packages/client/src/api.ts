import type { BucketMove, BucketState, LedgerEntry, Problem, Topology, TopologyDiff } from '@cellway/topology'
import type { ReplicatorView, StreamView } from './replication-api.ts'

/** The answers of the control API, as `/openapi.json` describes them. */
export type Role = 'viewer' | 'operator' | 'approver' | 'admin' | 'agent'
export type MemberKind = 'gateway' | 'replicator' | 'guard' | 'cli'
export type MemberState = 'joining' | 'current' | 'lagging' | 'ahead' | 'diverged' | 'gone'

export interface Status {
  /** 0 until the first topology is applied. */
  readonly version: number
  readonly checksum: string | null
  readonly topologyVersion: number
  readonly cells: Readonly<Record<string, CellStatus>>
  readonly members: readonly MemberView[]
  readonly replicators: readonly ReplicatorView[]
  /** Per edge between two cells: state and lag. */
  readonly streams: readonly StreamView[]
  readonly time: string
}

export interface CellStatus {
  readonly region: string
  readonly role: 'active' | 'standby'
  readonly weight: number
  readonly spaces: Readonly<Record<string, { readonly buckets: number; readonly share: number }>>
  /** Mean of the shares in the hash spaces, 0 to 1. */
  readonly share: number
  readonly moving: number
  readonly frozen: number
  readonly members: number
  readonly lagging: number
}

export interface MemberView {
  readonly member: string
  readonly kind: MemberKind
  readonly cell: string
  readonly version: number | null
  readonly checksum: string | null
  readonly since: string | null
  readonly lastSeen: string
  readonly connected: boolean
  readonly state: MemberState
}

export interface MemberList {
  readonly version: number
  readonly members: readonly MemberView[]
  readonly time: string
}

export interface CurrentTopology {
  /** Goes into `ifMatch` of the next apply. */
  readonly version: number
  readonly topology: Topology
  readonly source?: string
}

export interface Validation {
  readonly ok: boolean
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

export interface TopologyChange {
  /** Version of the topology that was compared with; 0 if there is none. */
  readonly version: number
  readonly diff: TopologyDiff
  /** Moves that would balance the cells afterwards; a proposal. */
  readonly rebalance: readonly BucketMove[]
  readonly text: string
}

export interface ApplyTopology {
  readonly text: string
  readonly reason: string
  /** The version the text was made from; 0 if there was none. */
  readonly ifMatch: number
}

export interface Applied {
  readonly version: number
  readonly changed: boolean
  readonly warnings: readonly Problem[]
}

export interface ExplainRequest {
  readonly method: string
  readonly url: string
  readonly headers?: readonly (readonly [string, string])[] | Readonly<Record<string, string>>
  readonly clientIp?: string
  readonly cell?: string
}

export interface BucketFilter {
  readonly space?: string
  readonly owner?: string
  readonly state?: BucketState['kind']
  readonly limit?: number
}

export interface BucketList {
  readonly version: number
  /** All that fit the filter, also beyond the limit. */
  readonly total: number
  readonly buckets: readonly LedgerEntry[]
}

export interface LedgerChange {
  readonly space: string
  readonly bucket: string
  readonly expectedEpoch: number
  readonly owner: string
  readonly state: BucketState
}

export interface LedgerChanged {
  readonly version: number
  readonly entries: readonly LedgerEntry[]
}

export interface TokenView {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly cell?: string
  readonly createdAt: string
  readonly createdBy: string
  readonly expiresAt?: string
}

export interface NewToken {
  readonly name: string
  readonly role: Role
  /** Only and always for agents. */
  readonly cell?: string
  readonly expiresInSeconds?: number
  readonly reason?: string
}

export interface CreatedToken extends TokenView {
  /** The secret, shown this once; null if the command was repeated. */
  readonly token: string | null
}

export interface AuditRecord {
  readonly seq: number
  readonly at: string
  readonly actor:
    | { readonly kind: 'system' }
    | { readonly kind: 'token'; readonly id: string; readonly name: string; readonly role: Role; readonly cell?: string }
  readonly action: string
  readonly outcome: 'done' | 'refused'
  readonly reason: string | null
  readonly target: string | null
  readonly before: unknown
  readonly after: unknown
  readonly error: unknown
  readonly requestId: string
  readonly prev: string
  readonly hash: string
}

export interface AuditPage {
  readonly records: readonly AuditRecord[]
  /** `after` of the following page; null at the end. */
  readonly next: number | null
}

export type AuditVerdict =
  | { readonly ok: true; readonly records: number; readonly head: { readonly seq: number; readonly hash: string } }
  | { readonly ok: false; readonly records: number; readonly broken: { readonly seq: number; readonly problem: string } }

export interface Acknowledgement {
  readonly member: string
  readonly kind: MemberKind
  readonly cell: string
  readonly version: number
  readonly checksum: string
}

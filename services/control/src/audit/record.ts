import { createHash } from 'node:crypto'
import { canonicalJson } from '@cellway/base'
import type { Actor } from '../tokens/token.ts'

/** What one administrative act was. Everything is written once and never changed. */
export interface AuditEvent {
  /** ISO 8601, of the control process. */
  readonly at: string
  readonly actor: Actor
  /** `topology.apply`, `ledger.change`, `token.create`, `stream.pause`, … */
  readonly action: string
  /** An order to another process is `done` when it was given; that it failed there is a second record. */
  readonly outcome: 'done' | 'refused'
  readonly reason: string | null
  readonly target: string | null
  readonly before: unknown
  /** For a refused attempt: null. */
  readonly after: unknown
  /** For a refused attempt: why. */
  readonly error: unknown
  readonly requestId: string
}

export interface AuditRecord extends AuditEvent {
  /** 1, 2, 3, …: a gap is a deleted record. */
  readonly seq: number
  /** Hash of the record before; 64 zeros for the first. */
  readonly prev: string
  /** SHA-256, hex, over the canonical JSON of everything else. */
  readonly hash: string
}

export interface AuditHead {
  readonly seq: number
  readonly hash: string
}

export const GENESIS: AuditHead = { seq: 0, hash: '0'.repeat(64) }

export function chainRecord(head: AuditHead, event: AuditEvent): AuditRecord {
  // Through JSON, so that what is hashed is exactly what will be read back.
  const body = JSON.parse(JSON.stringify({ ...event, seq: head.seq + 1, prev: head.hash })) as Omit<AuditRecord, 'hash'>
  return { ...body, hash: hashOf(body) }
}

export interface BrokenLink {
  readonly seq: number
  readonly problem: string
}

/** Whether `record` is the untouched successor of `head`. */
export function checkLink(head: AuditHead, record: AuditRecord): BrokenLink | undefined {
  const seq = head.seq + 1
  if (record.seq !== seq) return { seq, problem: `record ${seq} is missing, the next one says it is ${record.seq}` }
  if (record.prev !== head.hash) return { seq, problem: 'it does not continue the record before it' }
  const { hash, ...body } = record
  if (hashOf(body) !== hash) return { seq, problem: 'its content does not match its hash' }
  return undefined
}

function hashOf(body: Omit<AuditRecord, 'hash'>): string {
  return createHash('sha256').update(canonicalJson(body)).digest('hex')
}

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Comparison, Put, Store } from '@cellway/store'
import { AUDIT_HEAD_KEY, AUDIT_PREFIX, auditKey } from '../keys.ts'
import { type AuditEvent, type AuditHead, type AuditRecord, type BrokenLink, chainRecord, checkLink, GENESIS } from './record.ts'

export interface AuditCommit {
  readonly compare: Comparison
  readonly puts: readonly Put[]
  readonly record: AuditRecord
}

/** The parts of a commit that append one record; they go into the same commit as the change they tell of. */
export async function prepareAudit(store: Store, event: AuditEvent): Promise<AuditCommit> {
  const stored = await store.get(AUDIT_HEAD_KEY)
  const head = stored === undefined ? GENESIS : (JSON.parse(stored.value) as AuditHead)
  const record = chainRecord(head, event)
  return {
    // Two records with one number, or a fork of the chain, fail here.
    compare: stored === undefined ? { key: AUDIT_HEAD_KEY, absent: true } : { key: AUDIT_HEAD_KEY, revision: stored.revision },
    puts: [
      { key: auditKey(record.seq), value: JSON.stringify(record) },
      { key: AUDIT_HEAD_KEY, value: JSON.stringify({ seq: record.seq, hash: record.hash } satisfies AuditHead) }
    ],
    record
  }
}

/** A page ends early at this size, since one record can hold a thousand ledger rows. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024
const CHUNK_RECORDS = 50

export interface AuditPage {
  readonly records: readonly unknown[]
  /** Pass as `after` for the next page; null at the end. */
  readonly next: number | null
}

export async function readAudit(store: Store, { after, limit }: { after: number; limit: number }): Promise<AuditPage> {
  const records: unknown[] = []
  let last = after
  let bytes = 0
  while (records.length < limit && bytes < PAGE_BYTES_MAX) {
    const page = await store.list(AUDIT_PREFIX, { after: auditKey(last), limit: Math.min(CHUNK_RECORDS, limit - records.length) })
    for (const entry of page.entries) {
      records.push(JSON.parse(entry.value))
      last = Number(entry.key.slice(AUDIT_PREFIX.length))
      bytes += entry.value.length
    }
    if (!page.more) return { records, next: null }
  }
  return { records, next: last }
}

export type AuditVerdict =
  | { readonly ok: true; readonly records: number; readonly head: AuditHead }
  | { readonly ok: false; readonly records: number; readonly broken: BrokenLink }

/** Walks the whole chain; `records` are those before the first broken link. */
export async function verifyAudit(store: Store): Promise<AuditVerdict> {
  // The head first: records that are appended meanwhile are then simply not part of this walk.
  const stored = await store.get(AUDIT_HEAD_KEY)
  const wanted = stored === undefined ? GENESIS : (JSON.parse(stored.value) as AuditHead)
  let head: AuditHead = GENESIS
  while (head.seq < wanted.seq) {
    const page = await store.list(AUDIT_PREFIX, { after: auditKey(head.seq), limit: CHUNK_RECORDS })
    if (page.entries.length === 0) break
    for (const entry of page.entries.slice(0, wanted.seq - head.seq)) {
      const record = parseRecord(entry.value)
      const broken = record === undefined ? { seq: head.seq + 1, problem: 'it is not readable' } : checkLink(head, record)
      if (broken !== undefined || record === undefined)
        return { ok: false, records: head.seq, broken: broken ?? { seq: head.seq + 1, problem: 'it is not readable' } }
      head = { seq: record.seq, hash: record.hash }
    }
    // A long log must not keep the other callers waiting.
    await nextTurn()
  }
  if (head.seq < wanted.seq)
    return { ok: false, records: head.seq, broken: { seq: head.seq + 1, problem: `records ${head.seq + 1} to ${wanted.seq} are missing at the end` } }
  if (head.hash !== wanted.hash)
    return { ok: false, records: head.seq, broken: { seq: head.seq, problem: 'the stored head of the chain is another one' } }
  if (stored === undefined && (await store.list(AUDIT_PREFIX, { limit: 1 })).entries.length > 0) {
    return { ok: false, records: 0, broken: { seq: 1, problem: 'there are records, but the stored head of the chain is gone' } }
  }
  return { ok: true, records: head.seq, head }
}

function parseRecord(text: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'seq' in value && 'hash' in value ? (value as AuditRecord) : undefined
  } catch {
    return undefined
  }
}

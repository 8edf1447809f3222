import type { LedgerEntry } from '@cellway/topology'

/**
 * Where things are in the store:
 *
 * - `state/version`: version of the snapshot; compared and raised by every change of topology or ledger, so those happen one after the other
 * - `state/topology`: the current topology and the version in which it came
 * - `state/ledger/<space>/<bucket>`: one row of the ledger; the bucket percent-encoded
 * - `topologies/<version>`: every topology ever applied, with its source text
 * - `tokens/<id>`, `audit/<seq>`, `audit-head`, `idempotency/<hash>`
 */
export const STATE_PREFIX = 'state/'
export const VERSION_KEY = 'state/version'
export const TOPOLOGY_KEY = 'state/topology'
export const LEDGER_PREFIX = 'state/ledger/'
export const TOKEN_PREFIX = 'tokens/'
export const AUDIT_PREFIX = 'audit/'
export const AUDIT_HEAD_KEY = 'audit-head'
export const IDEMPOTENCY_PREFIX = 'idempotency/'

export function ledgerKey({ space, bucket }: Pick<LedgerEntry, 'space' | 'bucket'>): string {
  return `${LEDGER_PREFIX}${space}/${encodeURIComponent(bucket)}`
}

export function topologyHistoryKey(version: number): string {
  return `topologies/${padded(version)}`
}

export function auditKey(seq: number): string {
  return AUDIT_PREFIX + padded(seq)
}

/** So that the order of the keys is the order of the numbers: 16 digits hold every safe integer. */
function padded(value: number): string {
  return String(value).padStart(16, '0')
}

import type { Topology } from './config.ts'
import type { LedgerEntry } from './ledger.ts'

/**
 * One immutable bundle of configuration and ledger. Consumers adopt whole snapshots only, and only newer ones.
 * On the wire (`encodeSnapshot`) equal neighbouring ledger rows are run-length encoded.
 */
export interface Snapshot {
  readonly formatVersion: 1
  /** Grows with each change of the topology or the ledger. */
  readonly version: number
  /** SHA-256, hex, over everything else in one canonical form (see `checksumOf`). */
  readonly checksum: string
  readonly topology: Topology
  /** Every bucket of every space exactly once; by space in the order of the file, then buckets in order, then pins. */
  readonly ledger: readonly LedgerEntry[]
}

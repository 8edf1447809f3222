import { createHash } from 'node:crypto'
import type { Row } from '@cellway/change'
import type { StatementResult } from '../store/raw-query.ts'
import type { Session } from '../store/session.ts'
import type { Fold } from './fold.ts'
import type { TargetTable } from './target-tables.ts'

/** Keys that are held until somebody decides; usually none. A stopped key stops nothing else. */
export class ParkedKeys {
  /** Changes whenever keys are parked or released; rides in a packet of every batch. */
  readonly versionSql = 'SELECT COUNT(*), MAX(parked_at) FROM cellway.parked_key'
  readonly #session: Session
  #version = ''
  #keys: ReadonlyMap<string, ReadonlySet<string>> = new Map()

  constructor(session: Session) {
    this.#session = session
  }

  /** In the transaction of the caller. `version`: the result of `versionSql`. */
  async refresh(version: StatementResult | undefined): Promise<void> {
    const found = version?.rows[0]?.map(String).join() ?? ''
    if (found === this.#version) return
    const keys = new Map<string, Set<string>>()
    for (const [schema, name, hash] of await this.#session.rows('SELECT table_schema, table_name, key_hash FROM cellway.parked_key')) {
      const id = `${schema}.${name}`
      const known = keys.get(id) ?? new Set<string>()
      known.add(hash?.toString('hex') ?? '')
      keys.set(id, known)
    }
    this.#keys = keys
    this.#version = found
  }

  /** After a rollback, or a change of our own. */
  forget(): void {
    this.#version = ''
  }

  isParked(target: TargetTable, row: Row): boolean {
    const known = this.#keys.get(target.id)
    return known?.has(keyHash(target, row).toString('hex')) ?? false
  }

  /** The first transaction of the batch that touches a parked key. */
  firstUnit(fold: Fold): number | undefined {
    if (this.#keys.size === 0) return undefined
    let first: number | undefined
    for (const { target, rows } of fold.tables.values()) {
      if (!this.#keys.has(target.id)) continue
      for (const row of rows.values()) {
        const image = row.first ?? row.last
        if (image === undefined || !this.isParked(target, image)) continue
        first = first === undefined ? row.unit : Math.min(first, row.unit)
      }
    }
    return first
  }
}

/** The same for two rows exactly when the target holds their keys for equal. */
export function keyHash({ plan }: TargetTable, row: Row): Buffer {
  return createHash('sha256').update(plan.keyOf(row)).digest()
}

import { isCellwayError } from '@cellway/base'
import type { Policy } from '@cellway/conflict'
import type { Sql, StatementResult } from '../store/raw-query.ts'
import { errnoOf, isContention } from '../store/server-errors.ts'
import type { Session } from '../store/session.ts'
import type { Reading } from './batch-sql.ts'
import { readings, writings } from './batch-sql.ts'
import type { CheckpointStep, CheckpointToken } from './checkpoint-sql.ts'
import { checkpointSql } from './checkpoint-sql.ts'
import { compare } from './compare.ts'
import { fenced } from './errors.ts'
import type { Fold, FoldedTable } from './fold.ts'
import type { ParkedKeys } from './parked-keys.ts'

/** A batch with its first packet, made while the one before is still at the server. */
export interface ReadyBatch {
  readonly fold: Fold
  readonly reads: readonly Reading[]
}

export type BatchOutcome =
  | { readonly kind: 'committed' }
  /** Nothing was written. `unit`: up to there the batch is good, as far as one can tell. */
  | { readonly kind: 'exact'; readonly unit: number | undefined; readonly cause?: unknown }
  | { readonly kind: 'contention'; readonly cause: unknown }

export interface BatchLaneOptions {
  readonly session: Session
  readonly parked: ParkedKeys
  readonly policyOf: (table: FoldedTable) => Policy
}

/** Packets are joined up to here, so that a batch is two round trips. */
const PACKET_CHARACTERS = 4 * 1024 * 1024

/**
 * Many transactions of the origin as one of the target: lock and read what they touch, compare with what the origin found, write.
 * The mark is the first write and is the compare-and-set, so a second applier is noticed before anything else is done.
 */
export class BatchLane {
  readonly #session: Session
  readonly #parked: ParkedKeys
  readonly #policyOf: (table: FoldedTable) => Policy

  constructor({ session, parked, policyOf }: BatchLaneOptions) {
    this.#session = session
    this.#parked = parked
    this.#policyOf = policyOf
  }

  ready(fold: Fold): ReadyBatch {
    return { fold, reads: readings(fold, this.#session) }
  }

  /** @throws APL_FENCED, APL_ROW_TOO_LARGE, STO_CONNECTION_LOST, STO_TIMEOUT */
  async apply(batch: ReadyBatch, token: CheckpointToken, step: CheckpointStep): Promise<BatchOutcome> {
    try {
      return await this.#apply(batch, token, step)
    } catch (cause) {
      if (errnoOf(cause) === undefined && !isValueProblem(cause)) throw cause
      await this.#session.run('ROLLBACK')
      return isContention(cause) ? { kind: 'contention', cause } : { kind: 'exact', unit: undefined, cause }
    }
  }

  async #apply({ fold, reads }: ReadyBatch, token: CheckpointToken, step: CheckpointStep): Promise<BatchOutcome> {
    const results = await this.#runAll([
      'START TRANSACTION',
      checkpointSql(token, step),
      ...reads.map(({ sql }) => sql),
      // Behind the locks: a key that another applier has just parked is seen.
      this.#parked.versionSql
    ])
    if (results[1]?.affectedRows !== 1) {
      await this.#session.run('ROLLBACK')
      throw fenced({ stream: `${token.sourceCell}/${token.store}`, epoch: token.epoch, found: `not at ${token.applied} transactions of that epoch` })
    }
    await this.#parked.refresh(results.at(-1))
    const comparison = compare(reads, results.slice(2), this.#policyOf)
    const unit = this.#parked.firstUnit(fold) ?? (comparison.ok ? undefined : comparison.unit)
    if (!comparison.ok || unit !== undefined) {
      await this.#session.run('ROLLBACK')
      return { kind: 'exact', unit }
    }
    await this.#runAll([...writings(fold, this.#session), 'COMMIT'])
    return { kind: 'committed' }
  }

  /** In as few packets as the server's limit allows; a statement that fails keeps those behind it from running. */
  async #runAll(statements: readonly string[]): Promise<StatementResult[]> {
    const results: StatementResult[] = []
    for (const packet of packets(statements, Math.min(PACKET_CHARACTERS, this.#session.packetBytesMax - 1024))) {
      results.push(...(await this.#session.run(packet)))
    }
    return results
  }
}

/** Statements are ASCII but for names of tables, so characters are nearly bytes. */
export function packets(statements: readonly string[], charactersMax: number): Sql[] {
  const found: string[] = []
  let packet = ''
  for (const statement of statements) {
    if (packet !== '' && packet.length + statement.length > charactersMax) {
      found.push(packet)
      packet = ''
    }
    packet = packet === '' ? statement : `${packet};${statement}`
  }
  if (packet !== '') found.push(packet)
  return found
}

function isValueProblem(cause: unknown): boolean {
  return isCellwayError(cause) && cause.code.startsWith('MYV_')
}

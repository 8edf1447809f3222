import { isCellwayError } from '@cellway/base'
import type { Envelope, Row, RowChange, TransactionHead } from '@cellway/change'
import { formatUnitPosition } from '@cellway/change'
import type { ConflictClass, Decision, PolicyConfig } from '@cellway/conflict'
import { decide, detect, policyOf } from '@cellway/conflict'
import type { GatePass } from '../bootstrap/gate.ts'
import type { Sql } from '../store/raw-query.ts'
import { sqlBytes } from '../store/raw-query.ts'
import { errnoOf, isContention, isDuplicateKey, isMisfit, isOrphan } from '../store/server-errors.ts'
import type { Session } from '../store/session.ts'
import { ROOM_BYTES, tooLarge } from './batch-sql.ts'
import { encodeChanges } from './change-bytes.ts'
import { resolveClash } from './clash.ts'
import type { ConflictRecord, ParkedChange } from './conflict-record.ts'
import { conflictSql, parkChangeSql, parkKeySql, releaseKeySql } from './conflict-record.ts'
import type { ApplyMetrics } from './metrics.ts'
import type { Ownership } from './ownership.ts'
import type { ParkedKeys } from './parked-keys.ts'
import type { DataChange } from './prepare.ts'
import { rowChangeOf } from './prepare.ts'
import { deleteRowSql, lockRowSql, moveRowSql, replaceRowSql, withAbsent, writeRowSql } from './row-sql.ts'
import type { SourcePart, SourceTransaction } from './source-stream.ts'
import type { TargetTable } from './target-tables.ts'

export interface ExactLaneOptions {
  readonly session: Session
  readonly sourceCell: string
  readonly store: string
  readonly ownership: Ownership
  readonly parked: ParkedKeys
  readonly policies: PolicyConfig
  readonly metrics: ApplyMetrics
}

/** A row that refers to one that is not here (yet): the stream of another cell may bring it. */
export class OrphanRow extends Error {
  override readonly name = 'OrphanRow'
}

export interface ExactInput {
  readonly changes: readonly DataChange[]
  readonly pass: GatePass
  /** It was waited for what they refer to, in vain. */
  readonly toleratesOrphans: boolean
}

/** What one change wants of one row. */
interface Meeting {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly before: Row | undefined
  readonly after: Row | undefined
  readonly keyRow: Row
}

interface Context {
  readonly target: TargetTable
  readonly head: TransactionHead
  readonly envelope: Envelope
  /** Its row is to be as it says, whatever is here. */
  readonly isRepair: boolean
  readonly original: RowChange
}

type Written = { readonly kind: 'done' } | { readonly kind: 'duplicate' | 'orphan' | 'misfit'; readonly cause: unknown }

const DONE: Written = { kind: 'done' }

/**
 * Changes one by one, in the order of the origin, within a transaction that is open already. Each row is read, compared and decided
 * about; what a decision says and what it was made of are written in the same transaction.
 */
export class ExactLane {
  readonly #options: ExactLaneOptions
  readonly #session: Session
  #toleratesOrphans = false

  constructor(options: ExactLaneOptions) {
    this.#options = options
    this.#session = options.session
  }

  /** @throws STO_STATEMENT_FAILED, the transaction then has to be rolled back; OrphanRow */
  async apply({ view: head, envelope }: SourceTransaction | SourcePart, { changes, pass, toleratesOrphans }: ExactInput): Promise<void> {
    const { parked } = this.#options
    this.#toleratesOrphans = toleratesOrphans
    await parked.refresh((await this.#session.run(parked.versionSql))[0])
    for (const { change, target } of changes) {
      const treatment = pass.active ? pass.treatment(target.plan.source) : 'compare'
      if (treatment === 'skip') continue
      const original = rowChangeOf(change)
      if (treatment === 'overwrite') await this.#overwrite(target, original)
      else await this.#change({ target, head, envelope, isRepair: false, original })
    }
  }

  /** The rows of a repair; each is to be as its image says. */
  async applyRepair(
    { view: head, envelope }: SourceTransaction | SourcePart,
    rows: readonly { readonly change: RowChange; readonly target: TargetTable }[]
  ): Promise<void> {
    const { parked } = this.#options
    this.#toleratesOrphans = true
    await parked.refresh((await this.#session.run(parked.versionSql))[0])
    for (const { change, target } of rows) await this.#change({ target, head, envelope, isRepair: true, original: change })
  }

  async #change(context: Context): Promise<void> {
    const change = context.original
    if (change.kind === 'insert') await this.#meet(context, { kind: 'insert', before: undefined, after: change.after, keyRow: change.after })
    else if (change.kind === 'delete') await this.#meet(context, { kind: 'delete', before: change.before, after: undefined, keyRow: change.before })
    else await this.#update(context, change.before, change.after)
  }

  /** While a bootstrap copies the table: its rows here are newer or older than the stream, which wins. */
  async #overwrite(target: TargetTable, change: RowChange): Promise<void> {
    if (change.kind !== 'insert') await this.#session.run(deleteRowSql(target, change.before))
    if (change.kind !== 'delete') await this.#session.run(replaceRowSql(target, change.after))
  }

  async #update(context: Context, before: Row, after: Row): Promise<void> {
    const { plan } = context.target
    if (plan.keyOf(before) === plan.keyOf(after)) {
      await this.#meet(context, { kind: 'update', before, after, keyRow: before })
      return
    }
    if (await this.#moved(context, before, after)) return
    await this.#meet(context, { kind: 'delete', before, after: undefined, keyRow: before })
    await this.#meet(context, { kind: 'insert', before: undefined, after, keyRow: after })
  }

  /** A change of the key, where both places are as the origin found them. False: nothing was done. */
  async #moved(context: Context, before: Row, after: Row): Promise<boolean> {
    const { target, isRepair } = context
    const { parked, ownership } = this.#options
    const { source } = target.plan
    if (isRepair || parked.isParked(target, before) || parked.isParked(target, after)) return false
    if (!ownership.isOrigins(source, before) || !ownership.isOrigins(source, after)) return false
    const [there, free] = [await this.#lock(target, before), await this.#lock(target, after)]
    if (there === undefined || free !== undefined || !target.plan.rowsEqual(before, there)) return false
    return (await this.#try(moveRowSql(target, before, after))).kind === 'done'
  }

  async #meet(context: Context, meeting: Meeting): Promise<void> {
    const { target, isRepair, head } = context
    const { ownership, parked, policies } = this.#options
    const { keyRow } = meeting
    const isParked = parked.isParked(target, keyRow)
    if (isParked && !isRepair) {
      await this.#session.run(parkChangeSql(this.#parkedChange(context, keyRow)))
      return
    }
    const current = await this.#lock(target, keyRow)
    const { plan } = target
    const policy = policyOf(policies, plan.source)
    const detected = detect({ ...meeting, current }, plan.rowsEqual)
    const facts = ownership.facts(plan.source, [meeting.before, meeting.after, current], head.id)
    const decision = decide({ ...meeting, current, policy, detected, table: plan.source, facts, repair: isRepair, isSame: plan.isSame })
    const record: ConflictRecord = {
      ...this.#recordHead(context),
      keyRow,
      class: decision.class ?? 'schema_drift',
      policy: policy.policy,
      decision: decision.action,
      before: meeting.before,
      after: meeting.after,
      current,
      result: undefined,
      bucket: facts.bucket,
      reemit: decision.reemit ? 'pending' : 'none'
    }
    if (isParked && decision.action === 'apply') await this.#release(target, keyRow)
    await this.#act(context, meeting, { decision, record })
  }

  async #act(context: Context, meeting: Meeting, { decision, record }: { decision: Decision; record: ConflictRecord }): Promise<void> {
    const { current } = record
    if (decision.action === 'park') {
      await this.#park(context, record)
      return
    }
    const wanted = decision.action === 'keep' ? current : decision.action === 'write' ? decision.row : meeting.after
    const result = wanted === undefined ? undefined : withAbsent(wanted, current)
    const written = decision.action === 'keep' ? DONE : await this.#write(context.target, result, current, meeting.keyRow)
    if (written.kind === 'done') {
      if (decision.class !== undefined) await this.#record({ ...record, result }, decision.class)
      return
    }
    await this.#unwritable(context, { ...record, result: current }, { written, row: result ?? meeting.keyRow })
  }

  async #unwritable(
    context: Context,
    record: ConflictRecord,
    { written, row }: { written: Exclude<Written, { kind: 'done' }>; row: Row }
  ): Promise<void> {
    const { ownership } = this.#options
    switch (written.kind) {
      case 'duplicate': {
        const { records, statements } = await resolveClash({
          session: this.#session,
          target: context.target,
          row,
          record,
          ownership,
          id: context.head.id,
          repair: context.isRepair
        })
        for (const statement of statements) {
          if ((await this.#try(statement)).kind === 'done') continue
          await this.#park(context, { ...record, class: 'unique_clash' })
          return
        }
        for (const one of records) await this.#record(one, 'unique_clash')
        return
      }
      case 'orphan': {
        if (!this.#toleratesOrphans) throw new OrphanRow('a row refers to one that is not here', { cause: written.cause })
        const { owners, cells, selfCell } = ownership.facts(context.target.plan.source, [record.before, record.after], context.head.id)
        const isOurs = cells.some(({ cell }) => cell === selfCell && owners.includes(cell))
        await this.#record({ ...record, decision: 'keep', reemit: isOurs ? 'pending' : 'request' }, 'schema_drift')
        return
      }
      default:
        await this.#park(context, { ...record, class: 'schema_drift' })
    }
  }

  async #write(target: TargetTable, row: Row | undefined, current: Row | undefined, keyRow: Row): Promise<Written> {
    if (row !== undefined) {
      try {
        const sql = writeRowSql(target, row, current)
        if (sqlBytes(sql) + ROOM_BYTES > this.#session.packetBytesMax) throw tooLarge(target, sqlBytes(sql), this.#session)
        return await this.#try(sql)
      } catch (cause) {
        // A value that no statement can say.
        if (isCellwayError(cause) && cause.code.startsWith('MYV_')) return { kind: 'misfit', cause }
        throw cause
      }
    }
    return current === undefined ? DONE : this.#try(deleteRowSql(target, keyRow))
  }

  async #try(sql: Sql): Promise<Written> {
    try {
      await this.#session.run(typeof sql === 'string' ? `SAVEPOINT one; ${sql}` : ['SAVEPOINT one; ', ...sql])
      return DONE
    } catch (cause) {
      if (isContention(cause) || errnoOf(cause) === undefined) throw cause
      const kind = isDuplicateKey(cause) ? 'duplicate' : isOrphan(cause) ? 'orphan' : isMisfit(cause) ? 'misfit' : undefined
      if (kind === undefined) throw cause
      await this.#session.run('ROLLBACK TO SAVEPOINT one')
      return { kind, cause }
    }
  }

  async #lock(target: TargetTable, row: Row): Promise<Row | undefined> {
    const [cells] = await this.#session.rows(lockRowSql(target, row))
    return cells === undefined ? undefined : target.plan.resultRow(cells)
  }

  async #record(record: ConflictRecord, found: ConflictClass): Promise<void> {
    await this.#session.run(conflictSql({ ...record, class: found }))
    this.#options.metrics.conflict(record.sourceCell, found, record.decision)
  }

  async #park(context: Context, record: ConflictRecord): Promise<void> {
    const { metrics, parked, sourceCell } = this.#options
    await this.#record({ ...record, decision: 'park', result: record.current, reemit: 'none' }, record.class)
    const change = this.#parkedChange(context, record.keyRow)
    await this.#session.run(`${parkKeySql(change, record.class, 'LAST_INSERT_ID()')}; ${parkChangeSql(change)}`)
    parked.forget()
    await parked.refresh((await this.#session.run(parked.versionSql))[0])
    metrics.parked(sourceCell)
  }

  async #release(target: TargetTable, keyRow: Row): Promise<void> {
    const { parked } = this.#options
    await this.#session.run(releaseKeySql(target, keyRow))
    parked.forget()
    await parked.refresh((await this.#session.run(parked.versionSql))[0])
  }

  #recordHead({ target, head }: Context): Pick<ConflictRecord, 'sourceCell' | 'store' | 'gtid' | 'commitTimeUs' | 'target'> {
    const { sourceCell, store } = this.#options
    return { sourceCell, store, gtid: formatUnitPosition(head.id), commitTimeUs: head.commitTimeUs, target }
  }

  #parkedChange({ target, head, envelope, original }: Context, keyRow: Row): ParkedChange {
    const { sourceCell, store } = this.#options
    const bytes = encodeChanges(envelope, head, [original])
    return { sourceCell, store, gtid: formatUnitPosition(head.id), target, keyRow, bytes }
  }
}

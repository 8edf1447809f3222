import type { ByteCursor } from './bytes.ts'
import { createCursor, skip, takeText, takeU32 } from './bytes.ts'
import type { SealedRecord } from './envelope.ts'
import { openBody, openEnvelope } from './envelope.ts'
import { changeCorrupt } from './errors.ts'
import type { Envelope, TableIdentity } from './model.ts'
import { BODY_SECTION } from './packer.ts'
import type { RedisUnitView } from './redis-unit.ts'
import { redisUnitsOf } from './redis-unit.ts'
import { section, takeSections } from './section.ts'
import { takeTables } from './table.ts'
import type { TransactionView } from './transaction.ts'
import { transactionsOf } from './transaction.ts'

/**
 * A record of the center. Its units are decoded as they are asked for, and hold views into its bytes:
 * who keeps a value of 20 bytes keeps the record, unless it is copied.
 */
export type ChangeRecord =
  | {
      readonly kind: 'transactions'
      readonly envelope: Envelope
      readonly tables: readonly TableIdentity[]
      readonly unitCount: number
      transactions(): Iterable<TransactionView>
    }
  | { readonly kind: 'redis'; readonly envelope: Envelope; readonly unitCount: number; units(): Iterable<RedisUnitView> }

/** @throws what `openEnvelope` throws; the iterators throw CHANGE_CORRUPT, CHANGE_TRUNCATED, CHANGE_FEATURE_UNKNOWN */
export function decodeRecord(bytes: Uint8Array): ChangeRecord {
  return decodeBody(openEnvelope(bytes))
}

/** For a record whose envelope was looked at first. Offsets in errors of the body count from its start, decompressed. */
export function decodeBody(sealed: SealedRecord): ChangeRecord {
  const { envelope } = sealed
  const body = openBody(sealed)
  const { to } = envelope
  const units = to.kind === 'redis' ? BODY_SECTION.redisUnits : BODY_SECTION.transactions
  const context = to.kind === 'redis' ? BODY_SECTION.replicationId : BODY_SECTION.tables
  const sections = takeSections(body, [context, units], 'section of the body')
  const found = section(sections, units, body.at)
  const unitCount = countUnits(found)
  const whole = envelope.firstPart && envelope.lastPart
  if (!whole && unitCount !== 1) throw changeCorrupt({ offset: found.at, finding: `${unitCount} units in a part of one` })
  const again = (): ByteCursor => createCursor(found.bytes, found.at, found.end)
  const known = section(sections, context, body.at)
  if (to.kind === 'redis') {
    const replicationId = takeText(known, known.end - known.at)
    return { kind: 'redis', envelope, unitCount, units: () => redisUnitsOf(again(), replicationId) }
  }
  const tables = takeTables(known)
  return { kind: 'transactions', envelope, tables, unitCount, transactions: () => transactionsOf(again(), tables, `${to.kind}-gtid`) }
}

function countUnits({ bytes, at, end }: ByteCursor): number {
  const cursor = createCursor(bytes, at, end)
  let count = 0
  while (cursor.at < cursor.end) {
    const length = takeU32(cursor)
    skip(cursor, length)
    count += 1
  }
  return count
}

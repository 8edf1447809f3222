import fc from 'fast-check'
import type { CellValue, Change, Row, TableIdentity, Transaction } from './model.ts'
import type { MariadbPosition, MysqlPosition, Position, RedisPosition, TransactionId } from './position.ts'
import { parsePosition } from './position.ts'

/** Random changes for property tests: values at the edges of their types are as common as plain ones. */

const text = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.constantFrom('', '\ufffd', 'a'.repeat(63), 'a'.repeat(64), 'é'.repeat(31), 'é'.repeat(32), '\u0000', '0000-00-00', '😀'.repeat(20))
)

export const cellValue: fc.Arbitrary<CellValue> = fc.oneof(
  fc.constantFrom(undefined, null),
  text,
  fc.integer({ min: -100, max: 100 }),
  fc.maxSafeInteger(),
  fc.double(),
  fc.float(),
  fc.constantFrom(0, -0, 63, 64, -1, 0.1, Math.fround(0.1), Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, Infinity, -Infinity),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, -1n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n), -(2n ** 53n) + 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)),
  fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))
)

export const table: fc.Arbitrary<TableIdentity> = fc
  .record({
    schema: text,
    name: text,
    columns: fc.array(fc.record({ name: text, type: text, characterSet: text }), { minLength: 1, maxLength: 6 }),
    keys: fc.nat({ max: 6 })
  })
  .map(({ schema, name, columns, keys }) => ({ schema, name, columns, keyColumns: [...columns.keys()].slice(0, keys) }))

function changeOf(of: TableIdentity): fc.Arbitrary<Change> {
  const row: fc.Arbitrary<Row> = fc.array(cellValue, { minLength: of.columns.length, maxLength: of.columns.length })
  const pair = fc.tuple(row, row, fc.array(fc.boolean(), { minLength: of.columns.length, maxLength: of.columns.length }))
  return fc.oneof(
    row.map((after) => ({ kind: 'insert', table: of, after }) as const),
    row.map((before) => ({ kind: 'delete', table: of, before }) as const),
    // Values that stay as they were are what updates are made of.
    pair.map(
      ([before, other, kept]) => ({ kind: 'update', table: of, before, after: other.map((value, at) => (kept[at] ? before[at] : value)) }) as const
    )
  )
}

const schemaChange: fc.Arbitrary<Change> = fc.record({ kind: fc.constant('schema' as const), schema: text, statement: text })

export const transactionId: fc.Arbitrary<TransactionId> = fc.oneof(
  fc.record({
    kind: fc.constant('mariadb-gtid' as const),
    domain: fc.nat({ max: 2 ** 32 - 1 }),
    server: fc.nat({ max: 2 ** 32 - 1 }),
    sequence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  }),
  fc.record({
    kind: fc.constant('mysql-gtid' as const),
    uuid: fc.uuid(),
    tag: fc.constantFrom('', 'a', 'blue_1'),
    number: fc.bigInt({ min: 1n, max: 2n ** 63n - 2n })
  })
)

export function transactions(kind: TransactionId['kind']): fc.Arbitrary<Transaction[]> {
  const id = transactionId.filter((one) => one.kind === kind)
  return fc.array(table, { minLength: 1, maxLength: 3 }).chain((tables) =>
    fc.array(
      fc.record({
        id,
        commitTimeUs: fc.nat({ max: 2 ** 52 }),
        originServerId: fc.nat({ max: 2 ** 32 - 1 }),
        changes: fc.array(fc.oneof({ weight: 9, arbitrary: fc.oneof(...tables.map((of) => changeOf(of))) }, { weight: 1, arbitrary: schemaChange }), {
          maxLength: 5
        })
      }),
      { minLength: 1, maxLength: 6 }
    )
  )
}

export const mariadbPosition: fc.Arbitrary<MariadbPosition> = fc
  .uniqueArray(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 1 }), fc.bigInt({ min: 1n, max: 6n })), { selector: ([domain]) => domain, maxLength: 4 })
  .map((parts) => parseAs('mariadb', parts.map((part) => part.join('-')).join(',')))

const UUIDS = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', '3e11fa47-71ca-11e1-9e33-c80aa9429563'] as const

export const mysqlPosition: fc.Arbitrary<MysqlPosition> = fc
  .array(fc.tuple(fc.constantFrom(...UUIDS), fc.constantFrom('', 'blue:'), fc.nat({ max: 12 }), fc.nat({ max: 4 })), { maxLength: 6 })
  .map((parts) => parseAs('mysql', parts.map(([uuid, tag, first, more]) => `${uuid}:${tag}${first + 1}-${first + 1 + more}`).join(',')))

export const redisPosition: fc.Arbitrary<RedisPosition> = fc
  .tuple(fc.constantFrom('a', 'b'), fc.nat({ max: 3 }), fc.nat({ max: 1 }))
  .map(([id, offset, db]) => parseAs('redis', `${id.repeat(40)}:${offset}:${db}`))

function parseAs<Kind extends Position['kind']>(kind: Kind, text: string): Extract<Position, { kind: Kind }> {
  return parsePosition(kind, text) as Extract<Position, { kind: Kind }>
}

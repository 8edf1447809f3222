export { isSameCell } from './cell.ts'
export type { SealedRecord } from './envelope.ts'
export { openEnvelope } from './envelope.ts'
export { PART_BYTES_MAX, RECORD_BYTES_MAX, RECORD_BYTES_TARGET } from './limits.ts'
export type {
  CellValue,
  Change,
  Codec,
  Column,
  ContentMark,
  Envelope,
  KeySpan,
  Origin,
  RedisCommand,
  RedisUnit,
  RedisUnitHead,
  Row,
  RowChange,
  SchemaChange,
  StoreKind,
  TableIdentity,
  Transaction,
  TransactionHead
} from './model.ts'
export type { BuiltRecord, PackerOptions } from './packer.ts'
export type {
  MariadbGtid,
  MariadbPosition,
  MysqlGtid,
  MysqlPosition,
  Position,
  PositionOrder,
  RedisPosition,
  TransactionId,
  UnitPosition
} from './position.ts'
export {
  advancePosition,
  comparePositions,
  formatPosition,
  formatUnitPosition,
  parsePosition,
  positionIncludes,
  unionPositions
} from './position.ts'
export { parseMariadbGtid } from './position-mariadb.ts'
export { parseMysqlGtid } from './position-mysql.ts'
export type { ChangeRecord } from './record.ts'
export { decodeBody, decodeRecord } from './record.ts'
export type { RedisEntryView, RedisFragmentView, RedisUnitPacker, RedisUnitView } from './redis-unit.ts'
export { commandsOf, createRedisUnitPacker, joinRedisFragments, keyBytes, readRedisUnit } from './redis-unit.ts'
export type { ChangeView, FragmentView, RowChangeView, TransactionPacker, TransactionView } from './transaction.ts'
export { afterRow, beforeRow, changesOf, createTransactionPacker, joinFragments, readChange, readTransaction } from './transaction.ts'

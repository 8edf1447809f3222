import type { CellValue, Column, TableIdentity } from '@cellway/change'
import { foldingOf } from './collation.ts'
import { weightsOf } from './collation-weights.ts'
import { type ColumnShape, parseColumn } from './column-type.ts'
import type { ColumnDescription, TableDescription } from './description.ts'
import { findDrift } from './drift.ts'
import { type Literal, literalOf } from './literal.ts'
import type { TargetPlan, TargetPlanning } from './plan.ts'
import { asBuffer, quoteIdentifier, quoteTable } from './quote.ts'
import { INVALID_ENUM_HEX, type ReadCell, readerOf } from './result.ts'
import { type IsSame, isSameOf, plainDecimal, plainTemporal } from './same.ts'

/** One column in both tables. */
interface PlannedColumn {
  readonly column: Column
  readonly shape: ColumnShape
  readonly target: ColumnDescription
  readonly targetShape: ColumnShape
  readonly literal: Literal
  readonly read: ReadCell
  readonly isSame: IsSame
}

/**
 * How rows of the source's table are written to the target's, and read there. The target may have more columns, if they have defaults,
 * and wider ones. Without a target the statement creates the table. @throws MYV_TYPE_UNKNOWN
 */
export function planTarget(source: TableIdentity, target: TableDescription | undefined, flavour = target?.flavour ?? 'mariadb'): TargetPlanning {
  const drift = findDrift(source, target, flavour)
  if (drift !== undefined) return { ok: false, ...drift }
  if (target === undefined) throw new TypeError('a table without drift is there')
  const columns = source.columns.map((column) => planColumn(column, source, target))
  return { ok: true, plan: { source, target, ...sqlParts(columns, source, target), ...rowParts(columns), ...keyParts(columns, source, target) } }
}

function planColumn(column: Column, source: TableIdentity, table: TableDescription): PlannedColumn {
  const target = table.columns.find(({ name }) => name.toLowerCase() === column.name.toLowerCase())
  const shape = parseColumn(column)
  const targetShape = target === undefined ? undefined : parseColumn({ type: target.columnType, characterSet: target.characterSet })
  if (target === undefined || shape === undefined || targetShape === undefined) throw new TypeError('drift was looked for')
  const json = shape.base === 'json' && !(shape.kind === 'text' && targetShape.kind === 'text')
  return {
    column,
    shape,
    target,
    targetShape,
    literal: literalOf({ table: `${source.schema}.${source.name}`, column, shape, targetIsJson: targetShape.kind === 'json' }),
    read: readerOf({ shape, target: targetShape }),
    isSame: isSameOf({ shape, anyJson: json })
  }
}

type SqlParts = Pick<TargetPlan, 'tableSql' | 'insertColumnsSql' | 'selectSql' | 'keyColumnsSql' | 'assignmentsSql' | 'upsertTailSql'>

function sqlParts(columns: readonly PlannedColumn[], { keyColumns }: TableIdentity, target: TableDescription): SqlParts {
  const names = columns.map((column) => quoteIdentifier(column.target.name))
  const assignmentsSql = names.map((name) => `${name}=VALUES(${name})`).join(',')
  const alias = quoteIdentifier('cellway new')
  return {
    tableSql: quoteTable(target),
    insertColumnsSql: `(${names.join(',')})`,
    selectSql: columns.map(selectOf).join(','),
    keyColumnsSql: `(${keyColumns.map((index) => names[index]).join(',')})`,
    assignmentsSql,
    upsertTailSql:
      target.flavour === 'mysql'
        ? ` AS ${alias} ON DUPLICATE KEY UPDATE ${names.map((name) => `${name}=${alias}.${name}`).join(',')}`
        : ` ON DUPLICATE KEY UPDATE ${assignmentsSql}`
  }
}

/** Character sets that every client library hands over as they are; others are asked for as bytes. */
const COMMON_SETS = new Set(['', 'utf8mb4', 'utf8mb3', 'ascii', 'latin1'])

/** Floats are printed with all their digits only as doubles; texts come in the source's character set. */
function selectOf({ column, shape, target, targetShape }: PlannedColumn): string {
  const name = quoteIdentifier(target.name)
  if (targetShape.kind === 'float' || targetShape.kind === 'double') return `CAST(${name} AS DOUBLE)`
  const isText = shape.kind === 'text' || shape.kind === 'enum' || shape.kind === 'set'
  if (!isText || targetShape.kind === 'json') return name
  const text = column.characterSet === target.characterSet ? name : `CONVERT(${name} USING ${column.characterSet})`
  const bytes = COMMON_SETS.has(column.characterSet) ? text : `CAST(${text} AS BINARY)`
  const mayBeInvalid = shape.kind === 'enum' && targetShape.members.includes('')
  return mayBeInvalid ? `IF(${name}+0=0,X'${INVALID_ENUM_HEX}',CAST(${text} AS BINARY))` : bytes
}

type RowParts = Pick<TargetPlan, 'rowSql' | 'needsLenientMode' | 'resultRow' | 'isSame' | 'rowsEqual'>

function rowParts(columns: readonly PlannedColumn[]): RowParts {
  const literals = columns.map(({ literal }) => literal)
  const reads = columns.map(({ read }) => read)
  const sames = columns.map(({ isSame }) => isSame)
  const enums = columns.flatMap(({ shape }, index) => (shape.kind === 'enum' ? [index] : []))
  return {
    rowSql: (row) => {
      let sql = '('
      for (let index = 0; index < literals.length; index++) {
        if (index > 0) sql += ','
        sql += cellSql(row[index], literals[index] as Literal)
      }
      return `${sql})`
    },
    needsLenientMode: (row) => enums.some((index) => row[index] === 0),
    resultRow: (cells) => {
      const row: CellValue[] = new Array<CellValue>(reads.length)
      for (let index = 0; index < reads.length; index++) {
        const cell = cells[index] as Buffer | null
        row[index] = cell === null ? null : (reads[index] as ReadCell)(cell)
      }
      return row
    },
    isSame: (column, a, b) => sameCell(sames[column], a, b),
    rowsEqual: (a, b) => {
      for (let index = 0; index < sames.length; index++) {
        const left = a[index]
        const right = b[index]
        if (left === undefined || right === undefined) continue
        if (!sameCell(sames[index], left, right)) return false
      }
      return true
    }
  }
}

function sameCell(isSame: IsSame | undefined, a: CellValue, b: CellValue): boolean {
  if (isSame === undefined) throw new RangeError('no such column')
  if (a === null || b === null || a === undefined || b === undefined) return a === b
  return isSame(a, b)
}

function cellSql(value: CellValue, literal: Literal): string {
  if (value === null) return 'NULL'
  return value === undefined ? 'DEFAULT' : literal(value)
}

type KeyParts = Pick<TargetPlan, 'keySql' | 'keyOf' | 'isKeyExact'>

function keyParts(columns: readonly PlannedColumn[], { keyColumns }: TableIdentity, table: TableDescription): KeyParts {
  const keys = keyColumns.map((index) => {
    const planned = columns[index] as PlannedColumn
    return { index, literal: planned.literal, ...foldCell(planned, table) }
  })
  const [only] = keys
  return {
    keySql: (row) => `(${keys.map(({ index, literal }) => cellSql(row[index], literal)).join(',')})`,
    keyOf:
      keys.length === 1 && only !== undefined
        ? (row) => only.fold(row[only.index])
        : (row) => {
            let key = ''
            for (const { index, fold } of keys) {
              const part = fold(row[index])
              key += `${part.length}:${part}`
            }
            return key
          },
    isKeyExact: (row) => keys.every(({ index, isExact }) => isExact(row[index]))
  }
}

interface CellFolding {
  readonly fold: (value: CellValue) => string
  readonly isExact: (value: CellValue) => boolean
}

const always = (): boolean => true

function foldCell({ column, shape, target }: PlannedColumn, table: TableDescription): CellFolding {
  switch (shape.kind) {
    case 'decimal':
      return { fold: (value) => plainDecimal(String(value)), isExact: always }
    case 'temporal':
      return { fold: (value) => plainTemporal(String(value)), isExact: always }
    case 'float':
      // Equal by `=`: -0 is 0.
      return { fold: (value) => String(Math.fround(Number(value)) + 0), isExact: always }
    case 'double':
      return { fold: (value) => String(Number(value) + 0), isExact: always }
    case 'text': {
      const { collation } = target
      // Weights of single-byte character sets go by the target's bytes; the row has the source's.
      const known = weightsOf(table, collation)
      const weights = known?.byBytes === true && target.characterSet !== column.characterSet ? undefined : known
      const folding = foldingOf({ collation, characterSet: column.characterSet, weights })
      return {
        fold: (value) => (value instanceof Uint8Array ? folding.fold(asBuffer(value)) : String(value)),
        isExact: (value) => value instanceof Uint8Array && folding.isExact(asBuffer(value))
      }
    }
    default:
      return { fold: (value) => (value instanceof Uint8Array ? asBuffer(value).toString('latin1') : String(value)), isExact: always }
  }
}

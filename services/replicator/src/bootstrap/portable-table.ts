import { type Flavour, identityOf, type KeyDescription, planTarget, quoteIdentifier, quoteTable, type TableDescription } from '@cellway/mysql-value'

/**
 * Pure: statements that make the table on a server of the other flavour, where the text of SHOW CREATE TABLE would not be understood:
 * columns, keys and foreign keys. Generated columns, checks and options are left to people. @throws MYV_TYPE_UNKNOWN
 */
export function portableTable(table: TableDescription, flavour: Flavour): string[] {
  const planned = planTarget(identityOf(table), undefined, flavour)
  const create = planned.ok ? [] : [planned.statement]
  const names = (columns: readonly number[]): string => columns.map((index) => quoteIdentifier(table.columns[index]?.name ?? '')).join(', ')
  const keyColumns = new Set(table.keyColumns)
  const isOwnKey = ({ unique, columns }: KeyDescription): boolean =>
    unique && columns.length === keyColumns.size && columns.every(({ column }) => keyColumns.has(column))
  const isPlain = ({ columns, hasExpression }: KeyDescription): boolean =>
    !hasExpression && columns.length > 0 && columns.every(({ column }) => table.columns[column]?.generated === 'no')
  const keys = table.keys
    .filter((key) => isPlain(key) && !isOwnKey(key))
    .map(({ name, unique, columns }) => {
      const parts = columns.map(({ column, prefix }) => `${names([column])}${prefix > 0 ? `(${prefix})` : ''}`).join(', ')
      return `ALTER TABLE ${quoteTable(table)} ADD ${unique ? 'UNIQUE ' : ''}KEY ${quoteIdentifier(name)} (${parts})`
    })
  const references = table.foreignKeys.map((key) => {
    const parent = quoteTable({ schema: key.referencedSchema, name: key.referencedTable })
    const columns = key.referencedColumns.map(quoteIdentifier).join(', ')
    const rules = `ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`
    return `ALTER TABLE ${quoteTable(table)} ADD CONSTRAINT ${quoteIdentifier(key.name)} FOREIGN KEY (${names(key.columns)}) REFERENCES ${parent} (${columns}) ${rules}`
  })
  return [...create, ...keys, ...references]
}

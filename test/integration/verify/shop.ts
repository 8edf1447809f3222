/** Tables with values that are hard to compare, rows for them, and one whole comparison. */
import type { TestCell } from './cells.ts'
import { until } from './cells.ts'

export const USER = `CREATE TABLE shop.user (id BIGINT, part SMALLINT, area CHAR(2), name VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, memo TEXT, price DECIMAL(12,4),
  ratio DOUBLE, weight FLOAT, seen DATETIME(6), flags SET('x','y','z'), kind ENUM('','a','b'), raw VARBINARY(20), mask BIT(9), PRIMARY KEY (id, part))`
export const NOTE = 'CREATE TABLE shop.note (code VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, area CHAR(2), doc JSON, place POINT NULL)'
export const DATA = ['{table: shop.user, space: areas, column: area}', '{table: shop.note, space: areas, column: area}']
export const LIMITS = { chunkRows: 50, alignMs: 30_000, repairMs: 30_000 }

export async function verified(cell: TestCell, request: { from?: string; table?: string; repair?: boolean } = {}) {
  cell.verifier.start({ reason: 'test', ...request })
  await until('the comparison ends', () => cell.verifier.progress().state !== 'running')
  const { state, error, tables, differences } = cell.verifier.progress()
  if (state !== 'done') throw new Error(JSON.stringify(error))
  return { tables, differences }
}

export async function fill(cell: TestCell, area: string, from: number, rows: number): Promise<void> {
  const values = Array.from({ length: rows }, (_, at) => {
    const id = from + at
    return `(${id}, ${id % 3}, '${area}', 'name ${id}', ${id % 5 === 0 ? 'NULL' : `'memo ${id}'`}, ${id}.25, ${id} / 7, ${id} / 3, '2024-02-29 10:00:00.00000${id % 10}', 'x,z', '${id % 2 === 0 ? 'a' : ''}', X'00${(id % 256).toString(16).padStart(2, '0')}00', ${id % 512})`
  })
  await cell.session.run(`INSERT INTO shop.user VALUES ${values.join(', ')}`)
  const notes = Array.from(
    { length: rows },
    (_, at) => `('n${from + at}é', '${area}', '{"b": 1.50, "a": [1, "x"]}', ST_GeomFromText('POINT(${at} 2)'))`
  )
  await cell.session.run(`INSERT INTO shop.note VALUES ${notes.join(', ')}`)
}

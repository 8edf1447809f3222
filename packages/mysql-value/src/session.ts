import type { Flavour } from './description.ts'

/**
 * Strict, so that a value that does not fit is an error and never cut; but for zero dates, dates like 2024-02-30 and 0 in
 * AUTO_INCREMENT columns, which a source may hold.
 */
export const SQL_MODE = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION'

/** For statements with the server's mark for an invalid ENUM value (index 0), which strict mode refuses to store. */
export const LENIENT_SQL_MODE = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION'

const COMMON = [
  'SET NAMES utf8mb4',
  // Column bytes as they are stored, not converted to anything.
  'SET SESSION character_set_results = NULL',
  "SET SESSION time_zone = '+00:00'",
  `SET SESSION sql_mode = '${SQL_MODE}'`,
  // Cascades are not in the binlog, so they have to happen here as well.
  'SET SESSION foreign_key_checks = 1',
  'SET SESSION unique_checks = 1',
  'SET SESSION sql_safe_updates = 0',
  'SET SESSION sql_big_selects = 1',
  'SET SESSION sql_select_limit = DEFAULT',
  'SET SESSION sql_auto_is_null = 0'
]

const OWN: Readonly<Record<Flavour, readonly string[]>> = {
  mariadb: ['SET SESSION max_statement_time = 0', 'SET SESSION check_constraint_checks = 1'],
  mysql: ['SET SESSION max_execution_time = 0']
}

/** What every session that writes or reads rows runs first: all session variables that the exactness of values rests on. */
export function SESSION_SQL(flavour: Flavour): readonly string[] {
  return [...COMMON, ...OWN[flavour]]
}

/** The same INSERT in a mode that stores an invalid ENUM value as it is; for rows that `TargetPlan.needsLenientMode` names. */
export function lenientInsert(flavour: Flavour, insertSql: string): string {
  if (flavour === 'mariadb') return `SET STATEMENT sql_mode = '${LENIENT_SQL_MODE}' FOR ${insertSql}`
  return insertSql.replace(/^INSERT\b/, `INSERT /*+ SET_VAR(sql_mode = '${LENIENT_SQL_MODE}') */`)
}

/** What a statement of a query event does, by its first words. */
export type StatementKind =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  /** Rows since the savepoint did not happen. */
  | 'rollback-to-savepoint'
  | 'xa'
  /** Changes rows, in statement format: its effect cannot be taken from the binlog exactly. */
  | 'write'
  | 'ddl'
  /** Accounts and the like: no data, no schema. */
  | 'admin'
  | 'unknown'

const BY_WORD: ReadonlyMap<string, StatementKind> = new Map([
  ...words('begin', 'BEGIN'),
  ...words('commit', 'COMMIT'),
  ...words('savepoint', 'SAVEPOINT', 'RELEASE'),
  ...words('xa', 'XA'),
  ...words('write', 'INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'LOAD', 'CALL', 'WITH', 'DO', 'SET', 'SELECT', 'IMPORT', 'VALUES', 'TABLE'),
  ...words('ddl', 'CREATE', 'ALTER', 'DROP', 'TRUNCATE', 'RENAME', 'OPTIMIZE', 'REPAIR', 'ANALYZE'),
  ...words('admin', 'GRANT', 'REVOKE', 'FLUSH', 'INSTALL', 'UNINSTALL', 'SHUTDOWN', 'CHANGE', 'RESET', 'PURGE')
])

const ACCOUNT_OBJECTS = new Set(['USER', 'ROLE'])

export function statementKind(text: string): StatementKind {
  const [first = '', second = '', third = ''] = firstWords(text)
  if (first === 'ROLLBACK') return second === 'TO' || (second === 'WORK' && third === 'TO') ? 'rollback-to-savepoint' : 'rollback'
  if (first === 'START' && second === 'TRANSACTION') return 'begin'
  if (first === 'SET' && (second === 'PASSWORD' || second === 'DEFAULT')) return 'admin'
  const kind = BY_WORD.get(first) ?? 'unknown'
  return kind === 'ddl' && ACCOUNT_OBJECTS.has(second) ? 'admin' : kind
}

function words(kind: StatementKind, ...names: string[]): [string, StatementKind][] {
  return names.map((name) => [name, kind])
}

/** Comments and opening brackets passed over; the text inside of an executable comment counts. */
const SKIPPED = /(?:\s|\(|--[\s-].*(?:\n|$)|#.*(?:\n|$)|\/\*M?!\d*|\*\/|\/\*(?!M?!)[^*]*\*+(?:[^/*][^*]*\*+)*\/)*/y
const WORD = /[A-Za-z_]+/y

function firstWords(text: string): string[] {
  const found: string[] = []
  for (let at = 0; found.length < 3; ) {
    SKIPPED.lastIndex = at
    SKIPPED.exec(text)
    WORD.lastIndex = SKIPPED.lastIndex
    const match = WORD.exec(text)
    if (match === null) break
    found.push(match[0].toUpperCase())
    at = WORD.lastIndex
  }
  return found
}

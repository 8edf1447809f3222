/** The least that the replicator's account needs, and whether a session has it. */
import type { Flavour } from './facts.ts'
import { errorFinding, type Finding } from './finding.ts'
import type { PreflightRole } from './judge-server.ts'

export interface ReplicatorAccount {
  readonly user: string
  readonly host: string
  /** Of the declared tables. None: all schemas. */
  readonly schemas?: readonly string[]
}

interface Needed {
  readonly privileges: readonly string[]
  /** Undefined: `*.*`. */
  readonly schema: string | undefined
}

/** The schema with positions, marks and conflicts; the replicator makes and upgrades its tables. */
const OWN_SCHEMA = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'ALTER', 'INDEX', 'DROP', 'REFERENCES']

/** To read tables, their keys and triggers. */
const DATA_READ = ['SELECT', 'TRIGGER', 'EVENT']

/** To write rows; and CREATE, REFERENCES and DROP (for TRUNCATE) to fill an empty cell. */
const DATA_WRITE = ['INSERT', 'UPDATE', 'DELETE', 'CREATE', 'REFERENCES', 'DROP']

const SERVER: Readonly<Record<Flavour, { readonly capture: readonly string[]; readonly apply: readonly string[] }>> = {
  // BINLOG REPLAY lets a session carry the reserved server id; BINLOG MONITOR shows what is left of the binary log.
  mariadb: { capture: ['REPLICATION SLAVE', 'BINLOG MONITOR'], apply: ['BINLOG REPLAY'] },
  mysql: { capture: ['REPLICATION SLAVE', 'REPLICATION CLIENT'], apply: [] }
}

/** Runnable GRANT statements for an account that exists already. */
export function grants(role: PreflightRole, flavour: Flavour, account: ReplicatorAccount): string[] {
  const name = `${textLiteral(account.user)}@${textLiteral(account.host)}`
  return needed(role, flavour, account.schemas ?? []).map(
    ({ privileges, schema }) => `GRANT ${privileges.join(', ')} ON ${scopeOf(schema)} TO ${name};`
  )
}

function needed(role: PreflightRole, flavour: Flavour, schemas: readonly string[]): Needed[] {
  const { capture, apply } = SERVER[flavour]
  const server = [...(role === 'apply' ? [] : capture), ...(role === 'capture' ? [] : apply)]
  // A capture writes heartbeats and barriers into its own schema, and no user's row.
  const data = role === 'capture' ? DATA_READ : [...DATA_READ, ...DATA_WRITE]
  const scopes = schemas.length === 0 ? [undefined] : [...new Set(schemas)]
  return [
    ...(server.length === 0 ? [] : [{ privileges: server, schema: undefined }]),
    ...scopes.map((schema) => ({ privileges: data, schema })),
    { privileges: OWN_SCHEMA, schema: 'cellway' }
  ]
}

export interface GrantRules {
  readonly role: PreflightRole
  readonly flavour: Flavour
  /** `user@host` of the session. */
  readonly account: string
  readonly schemas: readonly string[]
}

/** `held`: lines of SHOW GRANTS. */
export function judgeGrants(held: readonly string[], { role, flavour, account, schemas }: GrantRules): Finding[] {
  const grantsHeld = held.map(parseGrant).filter((grant) => grant !== undefined)
  const at = account.lastIndexOf('@')
  const name = `${textLiteral(account.slice(0, at))}@${textLiteral(account.slice(at + 1))}`
  return needed(role, flavour, schemas).flatMap(({ privileges, schema }) => {
    const missing = privileges.filter((privilege) => !grantsHeld.some((grant) => covers(grant, privilege, schema)))
    if (missing.length === 0) return []
    const list = missing.join(', ')
    return [
      errorFinding('PRE_GRANT_MISSING', {
        what: `${account} lacks ${list} on ${scopeOf(schema)}`,
        fixSql: `GRANT ${list} ON ${scopeOf(schema)} TO ${name};`
      })
    ]
  })
}

interface Grant {
  readonly privileges: ReadonlySet<string>
  /** Undefined: `*.*`. Otherwise a pattern for schema names. */
  readonly schema: RegExp | undefined
}

/** Only whole servers and whole schemas: a grant on single tables or columns would have to follow the topology. */
function parseGrant(line: string): Grant | undefined {
  const [, list, scope] = /^GRANT (.+?) ON (\*\.\*|`(?:[^`]|``)+`\.\*) TO /.exec(line) ?? []
  if (list === undefined || scope === undefined) return undefined
  const privileges = new Set(list.split(',').map((privilege) => privilege.trim().toUpperCase()))
  return { privileges, schema: scope === '*.*' ? undefined : schemaPattern(scope.slice(1, -3).replaceAll('``', '`')) }
}

/** In a grant `_` and `%` are wildcards unless a backslash stands before them. */
function schemaPattern(text: string): RegExp {
  const pattern = text.replaceAll(/\\([_%\\])|[_%]|[.*+?^${}()|[\]/\\-]/g, (found, plain: string | undefined) => {
    if (plain !== undefined) return `\\x${plain.charCodeAt(0).toString(16)}`
    if (found === '_') return '.'
    return found === '%' ? '.*' : `\\${found}`
  })
  return new RegExp(`^${pattern}$`, 's')
}

function covers({ privileges, schema }: Grant, privilege: string, wanted: string | undefined): boolean {
  if (schema !== undefined && (wanted === undefined || !schema.test(wanted))) return false
  return privileges.has('ALL PRIVILEGES') || privileges.has(privilege)
}

function scopeOf(schema: string | undefined): string {
  if (schema === undefined) return '*.*'
  return `\`${schema.replaceAll('`', '``').replaceAll(/([_%])/g, '\\$1')}\`.*`
}

function textLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

import { MEMBER_KINDS } from '../members.ts'
import { LEDGER_CHANGES_MAX } from '../state/change-ledger.ts'
import { ROLES } from '../tokens/token.ts'

/** JSON schemas of the API. What topology defines (topology, snapshot, explanation, diff) is described, not repeated. */
export type Schema = Readonly<Record<string, unknown>>

export function object(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  return { type: 'object', properties, required: Object.keys(properties).filter((name) => !optional.includes(name)), additionalProperties: false }
}

export function array(items: Schema, bounds: Schema = {}): Schema {
  return { type: 'array', items, ...bounds }
}

export const TEXT: Schema = { type: 'string' }
export const COUNT: Schema = { type: 'integer', minimum: 0 }
export const SHARE: Schema = { type: 'number', minimum: 0, maximum: 1 }
export const NULLABLE_TEXT: Schema = { type: ['string', 'null'] }
export const TIME: Schema = { type: 'string', description: 'ISO 8601, UTC' }
export const OPEN: Schema = { type: 'object', additionalProperties: true }
/** The same rule as the cells and spaces of a topology. */
export const NAME: Schema = { type: 'string', pattern: '^[a-z0-9-]{1,32}$' }
export const MEMBER: Schema = { type: 'string', pattern: '^[A-Za-z0-9._-]{1,64}$' }
export const BUCKET: Schema = { type: 'string', minLength: 1, maxLength: 8192 }
export const REASON: Schema = { type: 'string', minLength: 1, maxLength: 500, description: 'Why; kept in the audit log' }
export const EPOCH: Schema = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER - 1 }
/** A number in a query: text until the handler reads it, since nothing is coerced. */
export const QUERY_NUMBER: Schema = { type: 'string', pattern: '^[0-9]{1,15}$' }
export const TOPOLOGY_TEXT_MAX = 512 * 1024
export const TOPOLOGY_TEXT: Schema = { type: 'string', minLength: 1, maxLength: TOPOLOGY_TEXT_MAX, description: 'The topology file, YAML or JSON' }
/** JSON may write a character in six. */
export const TOPOLOGY_BODY_BYTES_MAX = 2 * 1024 * 1024
export const LEDGER_BODY_BYTES_MAX = 1024 * 1024

export const PROBLEM: Schema = object({ path: TEXT, problem: TEXT, fix: TEXT })
export const PROBLEMS: Schema = array(PROBLEM)

export const ERROR: Schema = {
  description: 'Refused or failed; match on the code',
  ...object({ error: object({ code: TEXT, message: TEXT, retry: { enum: ['never', 'later', 'after-change'] }, details: OPEN }) })
}

export const BUCKET_STATE: Schema = {
  oneOf: [
    object({ kind: { const: 'owned' } }),
    object({ kind: { const: 'moving' }, from: NAME, to: NAME, shift: { type: 'string', minLength: 1, maxLength: 64 } }),
    object({ kind: { const: 'frozen' }, reason: { type: 'string', minLength: 1, maxLength: 200 } })
  ]
}
export const LEDGER_ENTRY: Schema = object({ space: NAME, bucket: BUCKET, owner: NAME, epoch: EPOCH, state: BUCKET_STATE })
export const LEDGER_CHANGE: Schema = object({ space: NAME, bucket: BUCKET, expectedEpoch: EPOCH, owner: NAME, state: BUCKET_STATE })
export const LEDGER_CHANGES: Schema = array(LEDGER_CHANGE, { minItems: 1, maxItems: LEDGER_CHANGES_MAX })

export const MEMBER_VIEW: Schema = object({
  member: TEXT,
  kind: { enum: MEMBER_KINDS },
  cell: TEXT,
  version: { type: ['integer', 'null'] },
  checksum: NULLABLE_TEXT,
  since: NULLABLE_TEXT,
  lastSeen: TIME,
  connected: { type: 'boolean' },
  state: { enum: ['joining', 'current', 'lagging', 'ahead', 'diverged', 'gone'] }
})

export const CELL_STATUS: Schema = object({
  region: TEXT,
  role: { enum: ['active', 'standby'] },
  weight: { type: 'number' },
  spaces: { type: 'object', additionalProperties: object({ buckets: COUNT, share: SHARE }) },
  share: SHARE,
  moving: COUNT,
  frozen: COUNT,
  members: COUNT,
  lagging: COUNT
})

const TOKEN_PROPERTIES = {
  id: TEXT,
  name: TEXT,
  role: { enum: ROLES },
  cell: NAME,
  createdAt: TIME,
  createdBy: TEXT,
  expiresAt: TIME
}
export const TOKEN: Schema = object(TOKEN_PROPERTIES, ['cell', 'expiresAt'])
export const NEW_TOKEN: Schema = object(
  { ...TOKEN_PROPERTIES, token: { ...NULLABLE_TEXT, description: 'The secret, shown this once; null when the command is repeated' } },
  ['cell', 'expiresAt']
)

export const ACTOR: Schema = {
  oneOf: [
    object({ kind: { const: 'system' } }),
    object({ kind: { const: 'token' }, id: TEXT, name: TEXT, role: { enum: ROLES }, cell: NAME }, ['cell'])
  ]
}
export const AUDIT_RECORD: Schema = object({
  seq: { type: 'integer', minimum: 1 },
  at: TIME,
  actor: ACTOR,
  action: TEXT,
  outcome: { enum: ['done', 'refused'] },
  reason: NULLABLE_TEXT,
  target: NULLABLE_TEXT,
  before: {},
  after: {},
  error: {},
  requestId: TEXT,
  prev: TEXT,
  hash: TEXT
})

/** Success by status, and the one shape of every failure. */
export function responses(success: Readonly<Record<number, Schema>>): Record<string, Schema> {
  return {
    ...Object.fromEntries(Object.entries(success).map(([status, schema]) => [status, { description: 'Done', ...schema }])),
    '4xx': ERROR,
    '5xx': ERROR
  }
}

export const IDEMPOTENCY_HEADERS: Schema = {
  type: 'object',
  properties: {
    'idempotency-key': {
      type: 'string',
      pattern: '^[!-~]{1,128}$',
      description: 'Repeating a command under the same key gives the first answer and changes nothing'
    }
  }
}

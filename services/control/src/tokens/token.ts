import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** `viewer` reads, `operator` moves ownership too, `admin` everything; `approver` reads and approves; `agent` is a process of one cell. */
export type Role = 'viewer' | 'operator' | 'approver' | 'admin' | 'agent'
export const ROLES: readonly Role[] = ['viewer', 'operator', 'approver', 'admin', 'agent']

export interface TokenRecord {
  readonly id: string
  readonly name: string
  readonly role: Role
  /** Only and always for `agent`. */
  readonly cell?: string
  /** SHA-256 of the whole token, hex. */
  readonly hash: string
  readonly createdAt: string
  readonly createdBy: string
  readonly expiresAt?: string
}

/** Who did it, for audit and logs. */
export type Actor =
  | { readonly kind: 'system' }
  | { readonly kind: 'token'; readonly id: string; readonly name: string; readonly role: Role; readonly cell?: string }

/** 256 random bits need no slow hash: there is no dictionary to try. */
const SECRET_BYTES = 32
const ID_BYTES = 6
const TOKEN_PATTERN = /^cwt_([a-z0-9]{1,32})_([\w-]{32,128})$/

export function parseToken(token: string): { id: string } | undefined {
  const id = TOKEN_PATTERN.exec(token)?.[1]
  return id === undefined ? undefined : { id }
}

export function generateToken(): { id: string; token: string } {
  const id = randomBytes(ID_BYTES).toString('hex')
  return { id, token: `cwt_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}` }
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

export function matchesToken(record: TokenRecord, token: string): boolean {
  return timingSafeEqual(Buffer.from(record.hash, 'hex'), Buffer.from(hashToken(token), 'hex'))
}

export function isExpired(record: TokenRecord, nowMs: number): boolean {
  return record.expiresAt !== undefined && Date.parse(record.expiresAt) <= nowMs
}

export function actorOf({ id, name, role, cell }: TokenRecord): Actor {
  return { kind: 'token', id, name, role, ...(cell === undefined ? {} : { cell }) }
}

/** Without the hash: what people and the audit log see. */
export function describeToken({ hash: _hash, ...visible }: TokenRecord): Omit<TokenRecord, 'hash'> {
  return visible
}

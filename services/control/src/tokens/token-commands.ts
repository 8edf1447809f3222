import type { CommandPlan } from '../commands.ts'
import { lastAdmin, requestInvalid, tokenUnknown } from '../errors.ts'
import { TOKEN_PREFIX } from '../keys.ts'
import { type Actor, describeToken, generateToken, hashToken, isExpired, parseToken, type Role, type TokenRecord } from './token.ts'
import type { TokenRegistry } from './token-registry.ts'

export interface NewToken {
  readonly name: string
  readonly role: Role
  readonly cell?: string
  readonly expiresInSeconds?: number
}

/** @throws CTL_REQUEST_INVALID for an agent without a cell, or a cell without an agent */
export function planCreateToken(wanted: NewToken, context: { actor: Actor; nowMs: number; token?: string }): CommandPlan {
  const { name, role, cell, expiresInSeconds } = wanted
  if ((role === 'agent') !== (cell !== undefined)) {
    throw requestInvalid({
      problems: [{ path: 'cell', problem: role === 'agent' ? 'an agent is bound to a cell' : 'only an agent is bound to a cell' }]
    })
  }
  const { id, token } = context.token === undefined ? generateToken() : { id: parseToken(context.token)?.id ?? '', token: context.token }
  const record: TokenRecord = {
    id,
    name,
    role,
    ...(cell === undefined ? {} : { cell }),
    hash: hashToken(token),
    createdAt: new Date(context.nowMs).toISOString(),
    createdBy: context.actor.kind === 'token' ? context.actor.id : context.actor.kind,
    ...(expiresInSeconds === undefined ? {} : { expiresAt: new Date(context.nowMs + expiresInSeconds * 1000).toISOString() })
  }
  const visible = describeToken(record)
  return {
    kind: 'change',
    compare: [{ key: TOKEN_PREFIX + id, absent: true }],
    puts: [{ key: TOKEN_PREFIX + id, value: JSON.stringify(record) }],
    deletes: [],
    target: `token ${id}`,
    before: null,
    after: visible,
    response: { status: 201, body: { ...visible, token } },
    replay: { status: 201, body: { ...visible, token: null } },
    waitsFor: 'tokens'
  }
}

/** @throws CTL_TOKEN_UNKNOWN, CTL_LAST_ADMIN */
export function planDeleteToken(id: string, { tokens, nowMs }: { tokens: TokenRegistry; nowMs: number }): CommandPlan {
  const found = tokens.find(id)
  if (found === undefined) throw tokenUnknown({ id })
  const admins = tokens.all().filter((token) => token.role === 'admin' && !isExpired(token, nowMs))
  if (admins.length === 1 && admins[0]?.id === id) throw lastAdmin({ id })
  return {
    kind: 'change',
    // Every admin that stays is compared too, or two control processes could each delete one of the last two.
    compare: [
      { key: TOKEN_PREFIX + id, revision: found.revision },
      ...admins.flatMap((admin) => {
        const revision = admin.id === id ? undefined : tokens.find(admin.id)?.revision
        return revision === undefined ? [] : [{ key: TOKEN_PREFIX + admin.id, revision }]
      })
    ],
    puts: [],
    deletes: [TOKEN_PREFIX + id],
    target: `token ${id}`,
    before: describeToken(found.record),
    after: null,
    response: { status: 200, body: { deleted: id } },
    waitsFor: 'tokens'
  }
}

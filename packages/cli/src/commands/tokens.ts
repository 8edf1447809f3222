import { writeFileSync } from 'node:fs'
import type { Role } from '@cellway/client'
import type { CommandContext, Outcome } from '../command.ts'
import { confirm, parseDuration, withControl } from '../command.ts'
import { reasonOf } from '../connection.ts'
import { fileUnreadable } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { renderTokens } from '../render/audit.ts'
import { resolveFile } from '../terminal.ts'

export const ROLES: readonly Role[] = ['viewer', 'operator', 'approver', 'admin', 'agent']

export async function listTokens(context: CommandContext): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async ({ client }) => {
    const tokens = await client.tokens.list({ signal: terminal.signal })
    return { exit: EXIT.done, json: { tokens }, text: renderTokens(tokens, terminal.paint) }
  })
}

export interface CreateTokenOptions {
  readonly role: Role
  readonly cell?: string
  readonly expires?: string
  readonly reason?: string
  readonly write?: string
}

export async function createToken(
  context: CommandContext,
  name: string,
  { role, cell, expires, reason, write }: CreateTokenOptions
): Promise<Outcome> {
  const expiresInSeconds = expires === undefined ? undefined : Math.max(1, Math.round(parseDuration(expires, '--expires') / 1000))
  return withControl(context, async ({ client }) => {
    const created = await client.tokens.create({
      name,
      role,
      ...(cell === undefined ? {} : { cell }),
      ...(expiresInSeconds === undefined ? {} : { expiresInSeconds }),
      ...(reason === undefined ? {} : { reason })
    })
    const { terminal } = context
    const { token, ...visible } = created
    if (write !== undefined && token !== null) {
      writeSecret(resolveFile(terminal, write), token)
      return { exit: EXIT.done, json: visible, text: `${terminal.paint('green', '✓')} token ${created.id} (${role}) is in ${write}` }
    }
    const text = [`${terminal.paint('green', '✓')} token ${created.id} (${role}); its secret is shown this once:`, '', token ?? '']
    return { exit: EXIT.done, json: created, text: text.join('\n') }
  })
}

export async function revokeToken(context: CommandContext, id: string, { yes, reason }: { yes: boolean; reason?: string }): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async ({ client }) => {
    await confirm({ question: `Revoke token ${id}? Whoever uses it is cut off within seconds.`, yes }, terminal)
    await client.tokens.remove(id, reason === undefined ? {} : { reason })
    return { exit: EXIT.done, json: { deleted: id }, text: `${terminal.paint('green', '✓')} token ${id} is revoked` }
  })
}

/** A new file that only its owner reads; an existing one is never overwritten, it may be the only copy of another secret. */
function writeSecret(file: string, token: string): void {
  try {
    writeFileSync(file, `${token}\n`, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    throw fileUnreadable({ file, reason: `the token was made but could not be written (${reasonOf(cause)}); revoke it and make another` }, { cause })
  }
}

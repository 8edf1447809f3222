import { mkdir, open, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '@cellway/base'
import type { Commands } from '../commands.ts'
import { tokenFileInvalid } from '../errors.ts'
import { generateToken, isExpired, matchesToken, parseToken } from './token.ts'
import { planCreateToken } from './token-commands.ts'
import type { TokenRegistry } from './token-registry.ts'

export interface FirstTokenOptions {
  readonly tokens: TokenRegistry
  readonly commands: Commands
  readonly file: string | undefined
  readonly clock: Clock
}

/** `shown` is a new secret that is written nowhere else and must be shown to the person who started the process, once. */
export type FirstToken =
  | { readonly kind: 'exists'; readonly fileMatches: boolean | undefined }
  | { readonly kind: 'created'; readonly id: string; readonly shown?: string }

/** Somebody has to be the first admin. @throws CTL_TOKEN_FILE_INVALID */
export async function ensureAdminToken({ tokens, commands, file, clock }: FirstTokenOptions): Promise<FirstToken> {
  const given = file === undefined ? undefined : await readTokenFile(file)
  const admins = tokens.all().filter((token) => token.role === 'admin' && !isExpired(token, clock.nowMs()))
  if (admins.length > 0) return { kind: 'exists', fileMatches: given === undefined ? undefined : admins.some((admin) => matchesToken(admin, given)) }
  const token = given ?? generateToken().token
  // The file first: after a crash in between, the next start takes the token from it.
  if (given === undefined && file !== undefined) await writeTokenFile(file, token)
  const actor = { kind: 'system' } as const
  const context = { actor, action: 'token.create', reason: 'first admin token', requestId: 'start' }
  await commands.run(context, () => planCreateToken({ name: 'first admin', role: 'admin' }, { actor, nowMs: clock.nowMs(), token }))
  const id = parseToken(token)?.id ?? ''
  return file === undefined ? { kind: 'created', id, shown: token } : { kind: 'created', id }
}

async function readTokenFile(file: string): Promise<string | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw tokenFileInvalid({ file, problem: 'it cannot be read' }, { cause })
  }
  const token = text.trim()
  if (parseToken(token) === undefined)
    throw tokenFileInvalid({ file, problem: 'it does not hold a token of the form cwt_<id>_<secret> with 32 characters of secret or more' })
  return token
}

async function writeTokenFile(file: string, token: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  try {
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(`${token}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (cause) {
    throw tokenFileInvalid({ file, problem: 'it cannot be written' }, { cause })
  }
}

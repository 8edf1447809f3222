import { createHash } from 'node:crypto'
import type { TokenConfig } from './config.ts'
import { readSecret } from './config.ts'
import { configInvalid, forbidden, tokenInvalid, tokenMissing } from './errors.ts'

/** Whoever calls: a cell, for its own streams and readers, or an operator, who reads, trims and releases everything but appends nothing. */
export type Principal = { readonly role: 'cell'; readonly name: string; readonly cell: string } | { readonly role: 'operator'; readonly name: string }

export interface Tokens {
  /** @throws CTR_TOKEN_MISSING, CTR_TOKEN_INVALID */
  authenticate(authorization: string | undefined): Principal
}

/** Random tokens of this length need no slow hash: there is no dictionary to try. */
const SECRET_CHARS_MIN = 32

/** @throws CTR_CONFIG_INVALID with every problem */
export function openTokens(configs: readonly TokenConfig[], environment: NodeJS.ProcessEnv): Tokens {
  const problems: string[] = []
  const known = new Map<string, Principal>()
  for (const [at, config] of configs.entries()) {
    try {
      const hash = config.sha256 ?? hashOfSecret(config, environment)
      if (known.has(hash)) problems.push(`/tokens/${at}: the same token as another one`)
      const { name, cell } = config
      known.set(hash, cell === undefined ? { role: 'operator', name } : { role: 'cell', name, cell })
    } catch (cause) {
      problems.push(`/tokens/${at}: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
  }
  if (problems.length > 0) throw configInvalid({ problems })
  return {
    authenticate(authorization = '') {
      const [, secret] = /^bearer +(\S+)$/i.exec(authorization) ?? []
      if (secret === undefined) throw tokenMissing({})
      // Looked up by its hash: how long that takes tells nothing about the token.
      const principal = known.get(hashToken(secret))
      if (principal === undefined) throw tokenInvalid({})
      return principal
    }
  }
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function hashOfSecret(config: TokenConfig, environment: NodeJS.ProcessEnv): string {
  const secret = readSecret(config, environment)
  const place = config.tokenFile ?? `the variable ${config.tokenEnv}`
  if (secret === undefined || secret === '') throw new Error(`no token in ${place}`)
  if (secret.length < SECRET_CHARS_MIN) throw new Error(`the token in ${place} is shorter than ${SECRET_CHARS_MIN} characters`)
  return hashToken(secret)
}

/** @throws CTR_TOKEN_MISSING */
export function principalOf({ principal }: { readonly principal: Principal | null }): Principal {
  if (principal === null) throw tokenMissing({})
  return principal
}

/** Appends and creates: only the cell itself. @throws CTR_FORBIDDEN */
export function assertMayAppend(principal: Principal, stream: string): void {
  if (principal.role === 'cell' && stream.startsWith(`${principal.cell}/`)) return
  throw forbidden({ name: principal.name, what: `append to ${stream}`, needed: `a token of the cell ${stream.split('/')[0]}` })
}

/** @throws CTR_FORBIDDEN */
export function assertMayTrim(principal: Principal, stream: string): void {
  if (principal.role === 'operator' || stream.startsWith(`${principal.cell}/`)) return
  throw forbidden({ name: principal.name, what: `trim ${stream}`, needed: `a token of the cell ${stream.split('/')[0]}, or of an operator` })
}

/** Retain, release, report: a reader is named `cell` or `cell/store`. @throws CTR_FORBIDDEN */
export function assertSpeaksFor(principal: Principal, reader: string): void {
  if (principal.role === 'operator' || reader === principal.cell || reader.startsWith(`${principal.cell}/`)) return
  throw forbidden({ name: principal.name, what: `speak for the reader ${reader}`, needed: `a token of the cell ${reader.split('/')[0]}` })
}

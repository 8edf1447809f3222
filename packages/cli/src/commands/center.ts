import { readFileSync } from 'node:fs'
import { CellwayError } from '@cellway/base'
import type { CommandContext, Outcome } from '../command.ts'
import { readLocalFile, reasonOf } from '../connection.ts'
import { centerUnreachable, fileUnreadable, noCenter } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import type { CenterStatus } from '../render/center.ts'
import { renderCenter } from '../render/center.ts'
import { resolveFile, type Terminal } from '../terminal.ts'

export interface CenterOptions {
  readonly center?: string
  readonly centerTokenFile?: string
}

const TIMEOUT_MS = 10_000

/** Whether the center takes appends, and each stream with its readers. @throws CLI_NO_CENTER, CLI_CENTER_UNREACHABLE, CTR_* */
export async function showCenter(context: CommandContext, options: CenterOptions): Promise<Outcome> {
  const { terminal } = context
  const { url, token } = resolveCenter(context, options)
  const [ready, listed] = await Promise.all([get(url, '/health/ready', { terminal, accepts: [503] }), get(url, '/v1/streams', { terminal, token })])
  const status = { url, ...(ready as object), ...(listed as object) } as CenterStatus
  return { exit: status.ready ? EXIT.done : EXIT.needsOperator, json: status, text: renderCenter(status, terminal.paint) }
}

/** Options win over the environment, the environment over the local run. */
function resolveCenter({ terminal, globals }: CommandContext, options: CenterOptions): { url: string; token: string } {
  const local = localCenter(globals.local, terminal)
  const url = options.center ?? terminal.env.CELLWAY_CENTER ?? local?.url
  if (url === undefined) throw noCenter({ fix: 'give --center URL, set CELLWAY_CENTER, or call from the folder of a local run' })
  // A local run's token goes to the local run's center only.
  const token = tokenOf(options, terminal) ?? (url === local?.url ? local.token : undefined)
  if (token === undefined) throw noCenter({ fix: `no token for ${url}: give --center-token-file FILE, or set CELLWAY_CENTER_TOKEN` })
  return { url: url.replace(/\/+$/, ''), token }
}

function tokenOf({ centerTokenFile }: CenterOptions, terminal: Terminal): string | undefined {
  if (centerTokenFile === undefined) return terminal.env.CELLWAY_CENTER_TOKEN
  try {
    return readFileSync(resolveFile(terminal, centerTokenFile), 'utf8').trim()
  } catch (cause) {
    throw fileUnreadable({ file: centerTokenFile, reason: reasonOf(cause) }, { cause })
  }
}

function localCenter(file: string, terminal: Terminal): { url: string; token: string } | undefined {
  const local: object | undefined = readLocalFile(file, terminal)
  if (local === undefined || !('center' in local)) return undefined
  const { center } = local
  if (typeof center !== 'object' || center === null || !('url' in center) || !('token' in center)) return undefined
  return { url: String(center.url), token: String(center.token) }
}

interface GetOptions {
  readonly terminal: Terminal
  readonly token?: string
  /** Statuses that are answers too. */
  readonly accepts?: readonly number[]
}

async function get(url: string, path: string, { terminal, token, accepts = [] }: GetOptions): Promise<unknown> {
  let status: number
  let body: unknown
  try {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const answer = await fetch(url + path, { headers, signal: AbortSignal.any([terminal.signal, AbortSignal.timeout(TIMEOUT_MS)]) })
    status = answer.status
    body = await answer.json()
  } catch (cause) {
    throw centerUnreachable({ url, reason: reasonOf(cause instanceof Error && cause.cause !== undefined ? cause.cause : cause) }, { cause })
  }
  if (status === 200 || accepts.includes(status)) return body
  throw refusal(body, { url, status })
}

function refusal(body: unknown, { url, status }: { url: string; status: number }): Error {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
  if (typeof error !== 'object' || error === null || !('code' in error)) return centerUnreachable({ url, reason: `it answers with status ${status}` })
  const message = 'message' in error ? String(error.message) : 'The center refuses'
  return new CellwayError({ code: String(error.code), message, statusCode: status, origin: 'operator', retry: 'after-change' }, {})
}

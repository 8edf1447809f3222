import { isCellwayError } from '@cellway/base'
import type { Problem } from '@cellway/topology'
import { renderProblems } from './problems.ts'
import { indent, type Paint, plain, printable } from './text.ts'

/** What went wrong, with what, and what to do next. */
export function renderError(error: unknown, paint: Paint = plain): string {
  if (!isCellwayError(error)) return `${paint('red', '✗')} ${printable(error instanceof Error ? error.message : String(error))}`
  const { problems, fix, file, ...details } = error.details
  if (isProblems(problems)) return renderProblems(typeof file === 'string' ? file : 'the topology', problems, paint)
  const lines = [`${paint('red', '✗')} ${error.message} ${paint('dim', `(${error.code})`)}`]
  const shown = Object.entries({ ...(file === undefined ? {} : { file }), ...(problems === undefined ? {} : { problems }), ...details })
  for (const [name, value] of shown) lines.push(indent(`${paint('dim', name)}  ${detail(value)}`))
  const todo = typeof fix === 'string' ? fix : hintFor(error.code, error.retry)
  if (todo !== undefined) lines.push(`  ${paint('dim', '→')} ${printable(todo)}`)
  return lines.join('\n')
}

/** The same for scripts. */
export function errorDocument(error: unknown, exitCode: number): object {
  if (isCellwayError(error)) return { error: error.toJSON(), exitCode }
  return { error: { code: 'CLI_INTERNAL', message: error instanceof Error ? error.message : String(error), retry: 'never', details: {} }, exitCode }
}

const HINTS: Readonly<Record<string, string>> = {
  CLIENT_UNREACHABLE:
    'is control running there? Traffic goes on without it. A local run is started with "npm start"; "cellway doctor" examines the rest',
  CLIENT_OUTCOME_UNKNOWN: 'look whether it happened (cellway audit tail) before you repeat the command',
  CLIENT_RESPONSE_INVALID: 'is that the URL of control, and not of a gateway or a proxy?',
  CTL_TOKEN_INVALID: 'the token is unknown, revoked or expired: give another with --token-file, or make one with "cellway tokens create"',
  CTL_FORBIDDEN: 'use a token with one of the needed roles',
  CTL_VERSION_STALE: 'somebody applied another topology meanwhile: look at the difference again, then repeat the command',
  CTL_NO_TOPOLOGY: 'apply the first one: cellway topology apply FILE --reason "first topology"'
}

function hintFor(code: string, retry: string): string | undefined {
  return HINTS[code] ?? (retry === 'later' ? 'the same command can succeed later' : undefined)
}

function detail(value: unknown): string {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return printable(value.join(', '))
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

function isProblems(value: unknown): value is readonly Problem[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'object' && item !== null && 'path' in item && 'fix' in item)
  )
}

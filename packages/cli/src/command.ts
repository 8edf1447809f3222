import { type ControlClient, createControlClient } from '@cellway/client'
import { type Connection, type ConnectionOptions, resolveConnection } from './connection.ts'
import { confirmationNeeded, interrupted, notConfirmed, usage } from './errors.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

/** What a command ends with: data for scripts, a page for people, a code for both. */
export interface Outcome {
  readonly exit: ExitCode
  readonly json: unknown
  readonly text: string
}

export interface GlobalOptions extends ConnectionOptions {
  readonly output: 'table' | 'json'
}

export interface CommandContext {
  readonly terminal: Terminal
  readonly globals: GlobalOptions
}

export interface Connected extends Connection {
  readonly client: ControlClient
}

/** The client lives as long as the work. */
export async function withControl<Result>({ terminal, globals }: CommandContext, work: (control: Connected) => Promise<Result>): Promise<Result> {
  const connection = resolveConnection(globals, terminal)
  await using client = createControlClient(connection)
  return await work({ ...connection, client })
}

export interface Question {
  /** Ends in a question mark; what will happen was printed before. */
  readonly question: string
  readonly yes: boolean
}

/** @throws CLI_NOT_CONFIRMED, CLI_CONFIRMATION_NEEDED, CLI_INTERRUPTED */
export async function confirm({ question, yes }: Question, { isInteractive, ask, signal }: Terminal): Promise<void> {
  if (yes) return
  if (!isInteractive) throw confirmationNeeded({ fix: 'add --yes, or call it from a terminal' })
  try {
    if (/^y(es)?$/i.test((await ask(`${question} [y/N] `)).trim())) return
  } catch (cause) {
    if (signal.aborted) throw interrupted({}, { cause })
    throw cause
  }
  throw notConfirmed({})
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `500ms`, `30s`, `5m`, `12h`, `90d`. @throws CLI_USAGE */
export function parseDuration(text: string, option: string): number {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  const factor = UNITS[unit ?? '']
  if (amount === undefined || factor === undefined)
    throw usage({ problem: `${option} is "${text}"`, fix: 'a number with a unit, like 500ms, 30s, 5m, 12h, 90d' })
  return Number(amount) * factor
}

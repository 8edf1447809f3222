import { isCellwayError } from '@cellway/base'

/** Scripts decide by these; they never change their meaning. */
export const EXIT = { done: 0, failed: 1, refused: 2, aborted: 3, needsOperator: 4, notSettled: 5 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_CODE_HELP = `Exit codes:
  0  done
  1  used wrongly, or control does not answer
  2  refused by a guard, a role or a validation; nothing was changed
  3  aborted safely; nothing was changed
  4  needs an operator: the output says what to do
  5  committed, but not everybody has adopted it yet`

/** By what the error says about itself, so that codes of control need not be listed twice. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!isCellwayError(error)) return EXIT.failed
  const own = OWN[error.code]
  if (own !== undefined) return own
  // Somebody else was faster: the same command can be right a moment later.
  if (error.statusCode === 412) return EXIT.aborted
  // What was typed, or the token, is not good; a guard or a role says 403, 409 or 422.
  if ([400, 401, 404].includes(error.statusCode)) return EXIT.failed
  return error.statusCode < 500 ? EXIT.refused : EXIT.failed
}

const OWN: Readonly<Record<string, ExitCode>> = {
  CLI_TOPOLOGY_INVALID: EXIT.refused,
  CLI_CONFIRMATION_NEEDED: EXIT.refused,
  CLI_NOT_CONFIRMED: EXIT.aborted,
  CLI_INTERRUPTED: EXIT.aborted,
  CLIENT_OUTCOME_UNKNOWN: EXIT.needsOperator,
  CTL_NO_TOPOLOGY: EXIT.needsOperator
}

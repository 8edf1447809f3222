/** One answer of the doctor. `unknown`: it could not look, and says why. */
export interface Finding {
  /** Where: `control`, a cell, or `cell/part`. */
  readonly subject: string
  readonly check: string
  readonly verdict: 'ok' | 'warn' | 'fail' | 'unknown'
  readonly measured: string
  /** What it should be; empty when the check speaks for itself. */
  readonly wanted: string
  /** Commands or statements that mend it, one per line. */
  readonly fix: readonly string[]
}

export function ok(subject: string, check: string, measured: string): Finding {
  return { subject, check, verdict: 'ok', measured, wanted: '', fix: [] }
}

export interface Failure {
  readonly measured: string
  readonly wanted: string
  readonly fix: readonly string[]
}

export function fail(subject: string, check: string, { measured, wanted, fix }: Failure): Finding {
  return { subject, check, verdict: 'fail', measured, wanted, fix }
}

export function warn(subject: string, check: string, { measured, wanted, fix }: Failure): Finding {
  return { subject, check, verdict: 'warn', measured, wanted, fix }
}

export function unknown(subject: string, check: string, { measured, fix }: Omit<Failure, 'wanted'>): Finding {
  return { subject, check, verdict: 'unknown', measured, wanted: '', fix }
}

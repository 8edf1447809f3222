/** Passive outlier detection of one instance. Pure: time comes in, the new state goes out. */
export type BreakerState =
  | { readonly kind: 'closed'; readonly failures: number; readonly openings: number }
  | { readonly kind: 'open'; readonly untilMs: number; readonly openings: number }
  /** One request is let through to try. */
  | { readonly kind: 'half-open'; readonly openings: number }

export interface BreakerLimits {
  readonly failuresToOpen: number
  /** First pause; doubles with each opening in a row. */
  readonly openMs: number
  readonly openMsMax: number
}

export const CLOSED: BreakerState = { kind: 'closed', failures: 0, openings: 0 }

/** Whether a request may go to the instance now. An open breaker whose pause is over lets one through. */
export function breakerAdmits(state: BreakerState, nowMs: number): boolean {
  return state.kind === 'closed' || (state.kind === 'open' && nowMs >= state.untilMs)
}

/** To be called when a request is really sent. */
export function breakerOnSend(state: BreakerState, nowMs: number): BreakerState {
  return state.kind === 'open' && nowMs >= state.untilMs ? { kind: 'half-open', openings: state.openings } : state
}

export function breakerOnSuccess(state: BreakerState): BreakerState {
  return state.kind === 'closed' && state.failures === 0 ? state : CLOSED
}

/** A failure is a broken connection or a timeout, never an answer: an app that answers 500 is alive. */
export function breakerOnFailure(state: BreakerState, nowMs: number, limits: BreakerLimits): BreakerState {
  if (state.kind === 'open') return state
  if (state.kind === 'closed' && state.failures + 1 < limits.failuresToOpen) return { ...state, failures: state.failures + 1 }
  const openings = state.openings + 1
  const pauseMs = Math.min(limits.openMsMax, limits.openMs * 2 ** Math.min(openings - 1, 16))
  return { kind: 'open', untilMs: nowMs + pauseMs, openings }
}

import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 20
/** Long, because the machine may be busy: only a failure waits for it. */
const TIMEOUT_MS = 30_000

/** Waits for a condition with a deadline; the message names what never came. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = TIMEOUT_MS): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await delay(POLL_MS)
  }
}

/** The promise's value, or an error that names what never came. */
export async function within<Value>(what: string, promise: Promise<Value>, timeoutMs = TIMEOUT_MS): Promise<Value> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`not within ${timeoutMs} ms: ${what}`)), timeoutMs)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

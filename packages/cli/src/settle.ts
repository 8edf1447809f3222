import type { ControlClient, MemberView } from '@cellway/client'
import { duration } from './render/text.ts'
import type { Terminal } from './terminal.ts'

export interface Settling {
  readonly settled: boolean
  readonly adopted: number
  readonly live: number
  /** Who is missing, and what it has. */
  readonly waitingFor: readonly { readonly member: string; readonly cell: string; readonly version: number | null; readonly state: string }[]
  readonly elapsedMs: number
}

export interface SettleOptions {
  readonly client: Pick<ControlClient, 'members'>
  readonly version: number
  readonly timeoutMs: number
  readonly terminal: Terminal
}

const POLL_MS = 150

/** Waits until every live member has adopted the version, the time is up, or Ctrl-C. The commit itself is done. */
export async function settle({ client, version, timeoutMs, terminal }: SettleOptions): Promise<Settling> {
  const startedMs = terminal.nowMs()
  const bounded = AbortSignal.any([terminal.signal, AbortSignal.timeout(timeoutMs)])
  let settling: Settling = { settled: false, adopted: 0, live: 0, waitingFor: [], elapsedMs: 0 }
  try {
    while (true) {
      const { members } = await client.members({ signal: bounded })
      settling = judgeAdoption(members, version, terminal.nowMs() - startedMs)
      if (settling.settled || bounded.aborted) return settling
      terminal.progress(progressLine(settling, version, timeoutMs))
      await Promise.race([terminal.sleep(POLL_MS), aborted(bounded)])
    }
  } catch (error) {
    if (bounded.aborted) return { ...settling, elapsedMs: terminal.nowMs() - startedMs }
    // Control went away after the commit: that is "not settled", not a failure of the command.
    if (error instanceof Error) terminal.err(`while waiting: ${error.message}`)
    return { ...settling, elapsedMs: terminal.nowMs() - startedMs }
  } finally {
    terminal.progressDone()
  }
}

/** Pure. A member that is gone adopts when it comes back, since it asks for the newest first. */
export function judgeAdoption(members: readonly MemberView[], version: number, elapsedMs: number): Settling {
  const live = members.filter(({ state }) => state !== 'gone')
  const missing = live.filter((member) => member.state === 'diverged' || (member.version ?? 0) < version)
  return {
    settled: missing.length === 0,
    adopted: live.length - missing.length,
    live: live.length,
    waitingFor: missing.map(({ member, cell, version: has, state }) => ({ member, cell, version: has, state })),
    elapsedMs
  }
}

export function progressLine({ adopted, live, waitingFor, elapsedMs }: Settling, version: number, timeoutMs: number): string {
  const names = waitingFor.slice(0, 3).map(({ member, version: has }) => `${member} (${has ?? 'nothing yet'})`)
  const more = waitingFor.length > 3 ? ` and ${waitingFor.length - 3} more` : ''
  return `version ${version} adopted ${adopted}/${live}  waiting for ${names.join(', ')}${more}  ${Math.floor(elapsedMs / 1000)} s of ${duration(timeoutMs)}`
}

export function settledLine({ settled, adopted, live, waitingFor, elapsedMs }: Settling): string {
  if (settled && live === 0) return 'and nobody is connected to adopt it yet'
  if (settled) return `adopted by all ${live} in ${duration(elapsedMs)}`
  const names = waitingFor.map(({ member, cell, version, state }) => `${member} of ${cell} (${state}, version ${version ?? 'none'})`)
  return `adopted by ${adopted} of ${live} after ${duration(elapsedMs)}${names.length > 0 ? `; missing: ${names.join(', ')}` : ''}`
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

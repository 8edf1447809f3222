import { setTimeout as sleep } from 'node:timers/promises'
import type { LogPosition } from '@cellway/log'
import type { Workbench } from './work.ts'

const REPORT_MS = 1000

/**
 * Tells the center each second how far this cell is, durably: so that it keeps what is still needed, and a capture that finds its
 * stream gone knows where to begin again. A center that is away is told later.
 */
export async function reportProgress({ context, sourceCell, standing, log }: Workbench, signal: AbortSignal): Promise<void> {
  const stream = `${sourceCell}/${context.store}`
  let retained: LogPosition | undefined
  let failed = ''
  while (!signal.aborted) {
    try {
      await context.center.reportReader(stream, context.cell, standing.positionText, { signal })
      const next = standing.log
      if (next !== undefined && (next.logId !== retained?.logId || next.sequence !== retained.sequence)) {
        await context.center.retain(stream, context.cell, next)
        retained = next
      }
      failed = ''
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      if (!signal.aborted && problem !== failed) log.warn({ err: cause, stream }, 'the center was not told how far the stream is applied')
      failed = problem
    }
    await sleep(REPORT_MS, undefined, { signal }).catch(() => undefined)
  }
}

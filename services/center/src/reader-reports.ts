import type { Clock } from '@cellway/base'
import { overloaded } from './errors.ts'

export interface Report {
  readonly reader: string
  readonly position: string
  /** Of the reader's clock, as it said. */
  readonly time: number
  readonly ageMs: number
}

/** What readers say they have applied, in the origin's coordinates. Only in memory: after a start, every report is a fresh one. */
export interface ReaderReports {
  /** Also of a stream that the log does not know: it may have been lost here. @throws CTR_OVERLOADED */
  put(stream: string, report: Omit<Report, 'ageMs'>): void
  of(stream: string): readonly Report[]
}

/** Every cell reads two stores of a hundred cells, and room. */
const REPORTS_MAX = 16 * 1024

export function createReaderReports(clock: Clock): ReaderReports {
  const streams = new Map<string, Map<string, Omit<Report, 'ageMs'> & { readonly receivedMs: number }>>()
  let count = 0
  return {
    put(stream, report) {
      const readers = streams.get(stream) ?? new Map()
      if (!readers.has(report.reader)) {
        if (count >= REPORTS_MAX) throw overloaded({ what: 'reports', limit: REPORTS_MAX })
        count += 1
      }
      readers.set(report.reader, { ...report, receivedMs: clock.monotonicMs() })
      streams.set(stream, readers)
    },
    of(stream) {
      const nowMs = clock.monotonicMs()
      return [...(streams.get(stream)?.values() ?? [])].map(({ receivedMs, ...report }) => ({ ...report, ageMs: Math.round(nowMs - receivedMs) }))
    }
  }
}

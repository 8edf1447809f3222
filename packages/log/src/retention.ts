import type { Segment } from './segment.ts'
import type { StreamLimits } from './stream-ports.ts'

export interface RetentionPlan {
  /** The first sequence that stays. */
  readonly target: number
  readonly why: 'age' | 'size'
  /** Readers that are given up for it. */
  readonly lost: readonly (readonly [reader: string, position: number])[]
}

export interface RetentionState {
  readonly segments: readonly Segment[]
  readonly readers: ReadonlyMap<string, number>
  readonly nowMs: number
}

/** Which of the oldest segments go. Pure; the newest one always stays. */
export function planRetention(limits: StreamLimits, { segments, readers, nowMs }: RetentionState): RetentionPlan {
  const lost: [string, number][] = []
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  let target = 0
  let why: RetentionPlan['why'] = 'age'
  for (const segment of segments.slice(0, -1)) {
    const tooMuch = bytes > limits.retentionBytes
    if (!tooMuch && segment.lastAppendedMs >= nowMs - limits.retentionMs) break
    const behind = [...readers].filter(([reader, position]) => position < segment.next && !lost.some(([gone]) => gone === reader))
    if (behind.length > 0) {
      // Room for one more segment is made before it is needed, or appends would be refused first.
      if (limits.readerTooFarBehind === 'refuse-appends' || bytes + limits.segmentBytes <= limits.streamBytesMax) break
      lost.push(...behind)
    }
    target = segment.next
    why = tooMuch ? 'size' : 'age'
    bytes -= segment.bytes
  }
  return { target, why, lost }
}

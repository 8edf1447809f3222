import t from 'tap'
import { createLagTracker } from './lag.ts'

t.test('lag is that of the newest heartbeat, and grows when none comes', async (t) => {
  let nowMs = 1000
  const lag = createLagTracker({ nowMs: () => nowMs, monotonicMs: () => nowMs }, 1000)
  t.equal(lag.of('beijing'), null, 'nothing is known before the first')
  lag.heartbeat('beijing', 5_000_000, 5_007_500)
  t.equal(lag.of('beijing'), 7.5)
  nowMs += 1900
  t.equal(lag.of('beijing'), 7.5, 'one may be late')
  nowMs += 8100
  t.equal(lag.of('beijing'), 9007.5, 'ten seconds of silence, of which one is usual')
  lag.heartbeat('beijing', 9_000_000, 8_999_000)
  t.equal(lag.of('beijing'), 0, 'a clock that is behind is no negative lag')
  t.equal(lag.of('shanghai'), null)
})

t.test('stages are those of the record that brought the heartbeat', async (t) => {
  let nowMs = 0
  const lag = createLagTracker({ nowMs: () => nowMs, monotonicMs: () => nowMs }, 1000)
  t.same(lag.stages('beijing'), { captured: null, center: null, applied: null })
  nowMs = 1_001
  lag.received('beijing', [{ appendedMs: 990 }, { appendedMs: 999 }])
  nowMs = 1_010
  lag.received('beijing', [{ appendedMs: 1_004 }, { appendedMs: 1_030 }])
  lag.heartbeat('beijing', 1_000_000, 1_012_500)
  t.same(lag.stages('beijing'), { captured: 4, center: 6, applied: 2.5 })
  lag.heartbeat('beijing', 2_000_000, 2_001_000)
  t.same(lag.stages('beijing'), { captured: null, center: null, applied: null }, 'a heartbeat whose record was not seen has none')
})

import { busy } from './errors.ts'

/** One after the other, in the order of arrival. */
export interface Serial {
  /** @throws CTL_BUSY when too many are waiting */
  run<Result>(job: () => Promise<Result>): Promise<Result>
  /** Resolves when nothing is running or waiting. */
  idle(): Promise<void>
}

export function createSerial({ waitingMax }: { waitingMax: number }): Serial {
  let tail: Promise<unknown> = Promise.resolve()
  let waiting = 0

  async function run<Result>(job: () => Promise<Result>): Promise<Result> {
    if (waiting >= waitingMax) throw busy({ waiting })
    waiting += 1
    // The failure of one job belongs to its caller, not to the next job.
    const mine = tail.then(job).finally(() => {
      waiting -= 1
    })
    tail = mine.catch(() => undefined)
    return mine
  }

  async function idle(): Promise<void> {
    while (waiting > 0) await tail
  }

  return { run, idle }
}

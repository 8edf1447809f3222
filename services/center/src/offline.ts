import { access } from 'node:fs/promises'
import { salvage, verifyLog } from '@cellway/log'

/** What is done to the folder of a log while no center runs on it. Prints one JSON document; the exit code says whether all is well. */
export interface Offline {
  readonly exitCode: number
  readonly report: unknown
}

/** Reads everything, changes nothing. 0: the center would open it; 4: it would not. @throws LOG_LOCKED */
export async function runVerify(folder: string, signal: AbortSignal): Promise<Offline> {
  await access(folder)
  const report = await verifyLog({ folder, signal })
  return { exitCode: report.ok ? 0 : 4, report }
}

/** Copies what is whole into a new log. 0: that was everything; 4: some was lost, and the report says what. @throws LOG_LOCKED, LOG_REQUEST_INVALID */
export async function runSalvage(folder: string, into: string, signal: AbortSignal): Promise<Offline> {
  await access(folder)
  const report = await salvage({ folder, into, signal })
  return { exitCode: report.streams.every(({ lost }) => lost.length === 0) ? 0 : 4, report }
}

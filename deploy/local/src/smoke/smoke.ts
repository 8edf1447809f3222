import type { Output } from '../console.ts'
import type { RunLayout } from '../layout.ts'
import type { Supervisor } from '../supervisor.ts'

interface SmokeOptions {
  readonly layout: RunLayout
  readonly supervisor: Supervisor
  readonly output: Output
  readonly signal: AbortSignal
}

export async function runSmoke(_options: SmokeOptions): Promise<number> {
  return 0
}

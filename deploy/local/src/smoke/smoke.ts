/** `--smoke`: the story that exists so far, walked by itself against the running cells; one line per check. */

import { type Output, palette } from '../console.ts'
import { controlClient } from '../control-plane.ts'
import { stepFailed } from '../errors.ts'
import type { RunLayout } from '../layout.ts'
import type { Supervisor } from '../supervisor.ts'
import { type Chapter, runChapters } from './checks.ts'
import { data } from './data.ts'
import { failures } from './failures.ts'
import { replication } from './replication.ts'
import { routing } from './routing.ts'

interface SmokeOptions {
  readonly layout: RunLayout
  readonly supervisor: Supervisor
  readonly output: Output
  readonly signal: AbortSignal
}

/** In this order: later chapters break what earlier ones need. */
const CHAPTERS: readonly Chapter[] = [routing, data, replication, failures]

/** 0 when every check holds, else 1. */
export async function runSmoke({ layout, supervisor, output, signal }: SmokeOptions): Promise<number> {
  const startedAt = performance.now()
  const [first] = layout.cells
  if (first === undefined) throw stepFailed({ step: 'smoke', problem: 'there is no cell' })
  await using client = controlClient(layout)
  const failed = await runChapters(CHAPTERS, { layout, first, supervisor, client, signal }, output)
  const total = CHAPTERS.reduce((sum, { checks }) => sum + checks.length, 0)
  const paint = palette(output.color)
  const verdict = failed === 0 ? paint.green(`all ${total} checks hold`) : paint.red(`${failed} of ${total} checks do not hold`)
  output.write(`\n${verdict}, ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
  return failed === 0 ? 0 : 1
}

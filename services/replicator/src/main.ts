#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { isCellwayError } from '@cellway/base'
import { loadReplicatorConfig } from './config.ts'
import { runReplicator } from './process/replicator.ts'

const USAGE = `Usage: replicator --config FILE

Runs the replicator of one cell: its own changes to the center, and those of every other cell into its stores.
FILE is JSON (docs/configuration.md); CELLWAY_REPLICATOR_CONFIG may name it instead.

Exit codes: 0 stopped on request; 1 cannot run; 3 fenced: a newer replicator works for this cell.`

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } })
  const file = values.config ?? process.env.CELLWAY_REPLICATOR_CONFIG
  if (values.help === true || file === undefined) {
    process.stdout.write(`${USAGE}\n`)
    process.exitCode = values.help === true ? 0 : 1
    return
  }
  process.exitCode = await runReplicator(loadReplicatorConfig(file))
}

main().catch((error: unknown) => {
  const problems = isCellwayError(error) && Array.isArray(error.details.problems) ? `\n  ${error.details.problems.join('\n  ')}` : ''
  process.stderr.write(`replicator: ${error instanceof Error ? error.message : String(error)}${problems}\n`)
  if (!isCellwayError(error) && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exit(1)
})

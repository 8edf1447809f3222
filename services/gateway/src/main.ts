#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { isCellwayError } from '@cellway/base'
import { loadGatewayConfig } from './config.ts'

const USAGE = `Usage: gateway --config FILE

Runs one gateway: a supervisor with its admin listener, and workers that share the data port.
FILE is JSON (docs/configuration.md); CELLWAY_GATEWAY_CONFIG may name it instead.`

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' }, worker: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  const file = values.config ?? process.env.CELLWAY_GATEWAY_CONFIG
  if (values.help === true || file === undefined) {
    process.stdout.write(`${USAGE}\n`)
    process.exitCode = values.help === true ? 0 : 1
    return
  }
  // A lenient parser would undo every rule of http/head.ts, and both places can switch it on behind our back.
  const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ')
  if (flags.includes('insecure-http-parser')) throw new Error('refusing to run with --insecure-http-parser')
  const config = loadGatewayConfig(file)
  // Each process loads only its half: 10 MB less in every worker.
  if (values.worker === true) await (await import('./process/worker.ts')).runWorker(config)
  else await (await import('./process/supervisor.ts')).runSupervisor(config, file)
}

main().catch((error: unknown) => {
  const problems = isCellwayError(error) && Array.isArray(error.details.problems) ? `\n  ${error.details.problems.join('\n  ')}` : ''
  process.stderr.write(`gateway: ${error instanceof Error ? error.message : String(error)}${problems}\n`)
  if (!isCellwayError(error) && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exit(1)
})

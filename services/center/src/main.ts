#!/usr/bin/env node
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { isCellwayError } from '@cellway/base'
import { createLogger } from '@cellway/telemetry'
import { startCenter } from './center.ts'
import { loadCenterConfig } from './config.ts'
import { runSalvage, runVerify } from './offline.ts'

const USAGE = `Usage: center --config FILE
       center verify FOLDER
       center salvage FOLDER OUT

Runs the center: the durable log of all cells, over HTTP. FILE is JSON; CELLWAY_CENTER_CONFIG may name it instead.

verify   reads every record of a log that no center has open, and changes nothing; exit code 4 if the center would not open it
salvage  copies what is whole of a damaged log into the new folder OUT, and lists what is lost; exit code 4 if something is`

const { values, positionals } = parseArgs({
  options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  allowPositionals: true
})
try {
  process.exitCode = await main(positionals)
} catch (cause) {
  const logger = createLogger({ service: 'center' })
  logger.fatal({ err: cause, ...(isCellwayError(cause) ? { code: cause.code, details: cause.details } : {}) }, 'center cannot run')
  process.exitCode = 1
  setTimeout(() => process.exit(1), 1000).unref()
}

async function main([command, folder, into]: readonly string[]): Promise<number> {
  const file = values.config ?? process.env.CELLWAY_CENTER_CONFIG
  if (values.help === true) return usage(0)
  if (command === undefined) return file === undefined ? usage(1) : serve(file)
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort(new Error('interrupted')))
  const { signal } = interrupted
  if (command === 'verify' && folder !== undefined && into === undefined) return print(await runVerify(folder, signal))
  if (command === 'salvage' && folder !== undefined && into !== undefined) return print(await runSalvage(folder, into, signal))
  return usage(1)
}

function usage(exitCode: number): number {
  process.stdout.write(`${USAGE}\n`)
  return exitCode
}

function print({ exitCode, report }: { readonly exitCode: number; readonly report: unknown }): number {
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
  return exitCode
}

async function serve(configFile: string): Promise<number> {
  const config = loadCenterConfig(configFile)
  const logger = createLogger({ service: 'center', level: config.logLevel })
  const stop = Promise.withResolvers<NodeJS.Signals>()
  process.once('SIGTERM', stop.resolve)
  process.once('SIGINT', stop.resolve)
  await using center = await startCenter({ config, logger, environment: process.env })
  if (config.listen.tls === undefined && !isLoopback(config.listen.host)) {
    logger.warn({ host: config.listen.host }, 'the center listens beyond this machine without TLS')
  }
  logger.info({ url: center.url, metricsUrl: center.metricsUrl, dataFolder: config.dataFolder }, 'center listening')
  const signal = await stop.promise
  logger.info({ signal }, 'center stopping')
  setTimeout(() => {
    logger.error({ timeoutMs: config.stopMsMax }, 'center did not stop in time')
    process.exit(1)
  }, config.stopMsMax).unref()
  return 0
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

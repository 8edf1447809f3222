#!/usr/bin/env node
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { isCellwayError } from '@cellway/base'
import { createLogger } from '@cellway/telemetry'
import { startCenter } from './center.ts'
import { loadCenterConfig } from './config.ts'

const USAGE = `Usage: center --config FILE

Runs the center: the durable log of all cells, over HTTP. FILE is JSON; CELLWAY_CENTER_CONFIG may name it instead.`

const { values } = parseArgs({ options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } })
const file = values.config ?? process.env.CELLWAY_CENTER_CONFIG
if (values.help === true || file === undefined) {
  process.stdout.write(`${USAGE}\n`)
  process.exitCode = values.help === true ? 0 : 1
} else {
  await run(file).catch((cause: unknown) => {
    const logger = createLogger({ service: 'center' })
    logger.fatal({ err: cause, ...(isCellwayError(cause) ? { code: cause.code, details: cause.details } : {}) }, 'center cannot run')
    process.exitCode = 1
    setTimeout(() => process.exit(1), 1000).unref()
  })
}

async function run(configFile: string): Promise<void> {
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
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

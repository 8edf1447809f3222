import { isIP } from 'node:net'
import { isCellwayError } from '@cellway/base'
import { createLogger } from '@cellway/telemetry'
import { parseConfig } from './config.ts'
import { startControl } from './control.ts'

/** After a signal: long enough for every open call, shorter than what supervisors allow. */
const STOP_TIMEOUT_MS = 10_000

try {
  await run()
} catch (cause) {
  const logger = createLogger({ service: 'control' })
  logger.fatal({ err: cause, ...(isCellwayError(cause) ? { code: cause.code, details: cause.details } : {}) }, 'control cannot run')
  process.exitCode = 1
  setTimeout(() => process.exit(1), 1000).unref()
}

async function run(): Promise<void> {
  const config = parseConfig(process.env)
  const logger = createLogger({ service: 'control', level: config.logLevel })
  const stop = Promise.withResolvers<NodeJS.Signals>()
  process.once('SIGTERM', stop.resolve)
  process.once('SIGINT', stop.resolve)
  await using control = await startControl({ config, logger })
  const { firstToken, url, metricsUrl } = control
  // Plain text on purpose: it is for the person at the terminal, and must not pass the redaction of the logs.
  if (firstToken.kind === 'created' && firstToken.shown !== undefined)
    process.stdout.write(`first admin token, shown this once: ${firstToken.shown}\n`)
  if (firstToken.kind === 'created') logger.info({ tokenId: firstToken.id, file: config.adminTokenFile }, 'first admin token created')
  else if (firstToken.fileMatches === false) logger.warn({ file: config.adminTokenFile }, 'the token in the file is no admin token of this store')
  if (!isLoopback(config.host)) logger.warn({ host: config.host }, 'the API listens beyond this machine without TLS')
  logger.info({ url, metricsUrl, dataFolder: config.dataFolder }, 'control listening')
  const signal = await Promise.race([stop.promise, control.failed])
  logger.info({ signal }, 'control stopping')
  setTimeout(() => {
    logger.error({ timeoutMs: STOP_TIMEOUT_MS }, 'control did not stop in time')
    process.exit(1)
  }, STOP_TIMEOUT_MS).unref()
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { readConfig, readSigningKey } from './config.ts'

/** Requests in flight get this long after the listener has closed. */
const CLOSE_DEADLINE_MS = 10_000

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } })
  if (values.config === undefined) {
    process.stderr.write('usage: node deploy/local/src/app/main.ts --config <json file>\n')
    process.exitCode = 1
    return
  }
  const config = readConfig(values.config)
  const draining = new AbortController()
  const app = buildApp(config, { signingKey: readSigningKey(config.signingKeyFile), draining: draining.signal })
  const url = await app.listen({ host: config.host, port: config.port, listenTextResolver: () => 'socket bound' })
  app.log.info({ url }, 'app listening')
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void drain(app, draining, config.drainMs))
}

/** Health says 503 → gateways stop sending → the listener closes → requests in flight end → stores close → the process ends. */
async function drain(app: FastifyInstance, draining: AbortController, drainMs: number): Promise<void> {
  app.log.info({ drainMs }, 'app draining')
  draining.abort()
  const deadline = setTimeout(() => {
    app.log.warn('requests still in flight were cut off')
    app.server.closeAllConnections()
  }, drainMs + CLOSE_DEADLINE_MS)
  deadline.unref()
  await sleep(drainMs)
  await app.close()
  app.log.info('app stopped')
}

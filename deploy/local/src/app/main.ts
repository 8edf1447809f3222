import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { readConfig, readSigningKey } from './config.ts'

/** Requests in flight get this long after the listener has closed. */
const IN_FLIGHT_MS = 10_000
const POLL_MS = 20

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
  const inFlight = countRequests(app)
  const url = await app.listen({ host: config.host, port: config.port, listenTextResolver: () => 'port bound' })
  app.log.info({ url }, 'app listening')
  const stop = () => void drain(app, { draining, drainMs: config.drainMs, inFlight })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop)
}

interface Draining {
  readonly draining: AbortController
  readonly drainMs: number
  readonly inFlight: () => number
}

/** Health says 503 → gateways stop sending → the listener closes → requests in flight end → stores close → the process ends. */
async function drain(app: FastifyInstance, { draining, drainMs, inFlight }: Draining): Promise<void> {
  app.log.info({ drainMs }, 'app draining')
  draining.abort()
  await sleep(drainMs)
  app.server.close()
  const deadlineMs = performance.now() + IN_FLIGHT_MS
  while (inFlight() > 0 && performance.now() < deadlineMs) await sleep(POLL_MS)
  if (inFlight() > 0) app.log.warn({ requests: inFlight() }, 'requests still in flight were cut off')
  // Also ends connections that a gateway opened ahead of need and that never carried a request: node does not count them as idle.
  app.server.closeAllConnections()
  await app.close()
  app.log.info('app stopped')
  // The drivers leave connect timers behind that would keep the process for seconds.
  process.exit(0)
}

function countRequests(app: FastifyInstance): () => number {
  let requests = 0
  app.server.on('request', (_request, response) => {
    requests += 1
    response.once('close', () => {
      requests -= 1
    })
  })
  return () => requests
}

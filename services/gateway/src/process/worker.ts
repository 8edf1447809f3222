import { systemClock } from '@cellway/base'
import { createLogger } from '@cellway/telemetry'
import { decodeSnapshot } from '@cellway/topology'
import { AccessLog } from '../access-log.ts'
import { type GatewayConfig, loadSigningKey } from '../config.ts'
import { adoptSnapshot, createDataPlane, type DataPlane } from '../data-plane.ts'
import { openGeoDatabase } from '../geo.ts'
import { LineWriter } from '../line-writer.ts'
import { runProber } from '../upstream/prober.ts'
import { createWorkerMetrics } from '../worker-metrics.ts'
import { type DataListener, openDataListener } from './data-listener.ts'
import type { FromWorker, ToWorker, WorkerReport } from './messages.ts'

/** Not `process.stdout`: asking for that opens a stream on it, which makes a pipe non-blocking for everybody who shares it. */
const STDOUT_FD = 1

/** One worker: the data port and everything on it. Lives as long as its supervisor. */
export async function runWorker(config: GatewayConfig): Promise<void> {
  const lines = new LineWriter(STDOUT_FD)
  const log = createLogger({ service: 'gateway', level: config.logLevel, fields: { cell: config.cell, member: config.member }, stream: lines })
  const plane = createDataPlane({
    config,
    signingKey: loadSigningKey(config, process.env),
    geo: config.geoipFile === undefined ? undefined : openGeoDatabase(config.geoipFile),
    clock: systemClock,
    log,
    accessLog: new AccessLog({
      config,
      clock: systemClock,
      levels: { info: log.isLevelEnabled('info'), warn: log.isLevelEnabled('warn') },
      write: (line) => lines.write(line)
    }),
    metrics: createWorkerMetrics(() => lines.dropped)
  })
  const stopping = new AbortController()
  let listener: DataListener | undefined
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'snapshot') onSnapshot(plane, message.text)
    else if (message.kind === 'report') answerReport(plane, message.id)
    else stop(plane, listener, stopping, message.deadlineMs).catch((error: unknown) => plane.log.error({ err: error }, 'drain failed'))
  })
  // A signal to the whole group (Ctrl-C, a service manager) is for the supervisor, which drains us; ended here, requests would break.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined)
  // The supervisor is gone: nobody would feed or stop us any more.
  process.on('disconnect', () => process.exit(1))
  const probing = runProber({ directory: plane.directory, config, log, signal: stopping.signal })
  listener = await openDataListener(plane)
  send({ kind: 'listening', port: listener.port })
  await probing
}

function onSnapshot(plane: DataPlane, text: string): void {
  try {
    const snapshot = decodeSnapshot(text)
    adoptSnapshot(plane, snapshot)
    send({ kind: 'adopted', version: plane.current?.snapshot.version ?? 0, checksum: plane.current?.snapshot.checksum ?? '' })
  } catch (error) {
    // The running snapshot stays: a bad one must never take traffic down.
    plane.log.error({ err: error }, 'snapshot refused; the one in force stays')
    send({ kind: 'rejected', reason: error instanceof Error ? error.message : String(error) })
  }
}

function answerReport(plane: DataPlane, id: number): void {
  report(plane).then(
    (made) => send({ kind: 'report', id, report: made }),
    (error: unknown) => plane.log.error({ err: error }, 'report failed')
  )
}

async function report(plane: DataPlane): Promise<WorkerReport> {
  const nowMs = plane.clock.monotonicMs()
  return {
    pid: process.pid,
    version: plane.current?.snapshot.version ?? 0,
    inFlight: plane.inFlight,
    held: plane.hold.size,
    metrics: await plane.metrics.report(plane),
    inFlightWrites: [...plane.inFlightWrites],
    instances: [...plane.directory.instances()].map((instance) => ({
      cell: instance.cell,
      app: instance.app,
      origin: instance.origin,
      probe: instance.probe,
      breaker: instance.breaker.kind,
      inFlight: instance.inFlight,
      takesRequests: instance.admits(nowMs)
    }))
  }
}

async function stop(plane: DataPlane, listener: DataListener | undefined, stopping: AbortController, deadlineMs: number): Promise<void> {
  await listener?.drain(deadlineMs)
  stopping.abort()
  plane.directory.close()
  plane.log.flush()
  process.send?.({ kind: 'drained' } satisfies FromWorker, () => process.disconnect())
}

function send(message: FromWorker): void {
  process.send?.(message)
}

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Logger } from '@cellway/telemetry'
import type { FromWorker, ToWorker, WorkerReport } from './messages.ts'

/** Pause before a crashed worker is started again; grows with each crash in a row. */
const RESTART_MS = 200
const RESTART_MS_MAX = 5_000
/** A worker that lived this long has not crashed in a row. */
const STABLE_MS = 30_000
const REPORT_TIMEOUT_MS = 1_000

interface Worker {
  readonly process: ChildProcess
  readonly startedMs: number
  listening: boolean
  version: number
  checksum: string
}

export interface WorkerPoolOptions {
  readonly configFile: string
  readonly count: number
  readonly log: Logger
  /** The newest snapshot's text, for a worker that starts later. */
  readonly snapshotText: () => string | undefined
  readonly onAdopted: () => void
}

/** Starts the workers, feeds them, restarts the ones that crash, and drains them all. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #workers = new Set<Worker>()
  readonly #reports = new Map<number, (report: WorkerReport) => void>()
  #crashes = 0
  #nextReport = 0
  #stopping = false
  #port: number | undefined

  constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  /** Resolves when every worker listens. Rejects if the first one cannot (port taken, bad certificate). */
  async start(): Promise<number> {
    await Promise.all(Array.from({ length: this.#options.count }, () => this.#startOne()))
    return this.#port ?? 0
  }

  #startOne(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const child = fork(fileURLToPath(new URL('../main.ts', import.meta.url)), ['--config', this.#options.configFile, '--worker'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    const worker: Worker = { process: child, startedMs: performance.now(), listening: false, version: 0, checksum: '' }
    this.#workers.add(worker)
    child.on('message', (message: FromWorker) => {
      if (message.kind === 'listening') {
        worker.listening = true
        this.#port = message.port
        resolve()
      } else this.#onMessage(worker, message)
    })
    child.once('exit', (code, signal) => {
      this.#workers.delete(worker)
      this.#options.onAdopted()
      if (!worker.listening) reject(new Error(`a worker ended before it listened (${code ?? signal})`))
      else if (!this.#stopping) this.#restart(worker, code, signal)
    })
    const text = this.#options.snapshotText()
    if (text !== undefined) child.send({ kind: 'snapshot', text } satisfies ToWorker)
    return promise
  }

  #restart(worker: Worker, code: number | null, signal: string | null): void {
    this.#crashes = performance.now() - worker.startedMs > STABLE_MS ? 0 : this.#crashes + 1
    const waitMs = Math.min(RESTART_MS_MAX, RESTART_MS * 2 ** Math.min(this.#crashes, 10))
    this.#options.log.error({ workerPid: worker.process.pid, code, signal, waitMs }, 'worker ended; starting another')
    setTimeout(() => {
      if (!this.#stopping) this.#startOne().catch((error: unknown) => this.#options.log.error({ err: error }, 'worker did not start'))
    }, waitMs)
  }

  #onMessage(worker: Worker, message: Exclude<FromWorker, { readonly kind: 'listening' }>): void {
    if (message.kind === 'adopted') {
      worker.version = message.version
      worker.checksum = message.checksum
      this.#options.onAdopted()
    } else if (message.kind === 'report') {
      this.#reports.get(message.id)?.(message.report)
      this.#reports.delete(message.id)
    } else if (message.kind === 'rejected')
      this.#options.log.error({ workerPid: worker.process.pid, reason: message.reason }, 'worker refused the snapshot')
  }

  broadcast(text: string): void {
    for (const worker of this.#workers) if (worker.process.connected) worker.process.send({ kind: 'snapshot', text } satisfies ToWorker)
  }

  /** The version that every worker has adopted; 0 while one has none. */
  get adopted(): { readonly version: number; readonly checksum: string } {
    let oldest: Worker | undefined
    for (const worker of this.#workers) if (oldest === undefined || worker.version < oldest.version) oldest = worker
    return { version: oldest?.version ?? 0, checksum: oldest?.checksum ?? '' }
  }

  get ready(): boolean {
    if (this.#stopping || this.#workers.size === 0) return false
    for (const worker of this.#workers) if (!worker.listening || worker.version === 0) return false
    return true
  }

  get size(): number {
    return this.#workers.size
  }

  /** What each worker says of itself; one that does not answer in time is left out. */
  async reports(): Promise<readonly WorkerReport[]> {
    const asked = [...this.#workers].filter((worker) => worker.process.connected).map((worker) => this.#ask(worker))
    return (await Promise.all(asked)).filter((report) => report !== undefined)
  }

  #ask(worker: Worker): Promise<WorkerReport | undefined> {
    const id = this.#nextReport++
    const { promise, resolve } = Promise.withResolvers<WorkerReport | undefined>()
    const timer = setTimeout(() => {
      this.#reports.delete(id)
      resolve(undefined)
    }, REPORT_TIMEOUT_MS)
    this.#reports.set(id, (report) => {
      clearTimeout(timer)
      resolve(report)
    })
    worker.process.send({ kind: 'report', id } satisfies ToWorker)
    return promise
  }

  /** Drains every worker; whoever has not ended a second after the deadline is killed. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true
    await Promise.all(
      [...this.#workers].map((worker) => {
        const { promise, resolve } = Promise.withResolvers<void>()
        const timer = setTimeout(() => worker.process.kill('SIGKILL'), deadlineMs + 1_000)
        worker.process.once('exit', () => {
          clearTimeout(timer)
          resolve()
        })
        if (worker.process.connected) worker.process.send({ kind: 'drain', deadlineMs } satisfies ToWorker)
        else worker.process.kill('SIGKILL')
        return promise
      })
    )
  }
}

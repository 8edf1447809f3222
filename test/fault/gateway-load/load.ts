import { setTimeout as delay } from 'node:timers/promises'
import { routedPath } from '../../bench/gateway/routed-cell.ts'
import { type Answer, Connection } from './connection.ts'

/** Pause before a client connects again: what a polite client does. */
const RECONNECT_MS = 20
/** A client that gets no connection for so long gives up; the request then counts as lost. */
const RECONNECTS_MAX = 1_000

export interface Tally {
  answered: number
  /** Answers by status code. */
  readonly byStatus: Map<number, number>
  /** New connections that broke before a byte came back; the request was asked again. */
  reconnects: number
  /** Requests without a whole answer, by what happened. */
  readonly lost: string[]
  readonly latenciesMs: number[]
  /** Who served: process ids of app instances. */
  readonly servedBy: Map<number, number>
  /** Beginnings of the request ids, which name the gateway. */
  readonly gateways: Map<string, number>
}

export interface LoadOptions {
  readonly port: number
  readonly connections: number
  readonly method: 'GET' | 'POST'
}

export interface Load {
  readonly tally: Tally
  /** Every connection finishes what it has begun. */
  stop(): Promise<Tally>
}

let nextId = 0

/** Closed-loop load: each connection asks, waits for the answer, asks again. */
export function startLoad({ port, connections, method }: LoadOptions): Load {
  const tally: Tally = { answered: 0, byStatus: new Map(), reconnects: 0, lost: [], latenciesMs: [], servedBy: new Map(), gateways: new Map() }
  let stopping = false
  const lane = async (): Promise<void> => {
    let connection: Connection | undefined
    while (!stopping) {
      const text = requestText(method, port)
      const startMs = performance.now()
      for (let tries = 0; ; tries++) {
        if (connection === undefined || connection.ended) {
          connection?.close()
          connection = new Connection(port)
        }
        const exchange = await connection.request(text)
        if (exchange.kind === 'answered') {
          count(tally, exchange.answer, performance.now() - startMs)
          break
        }
        if (exchange.why === 'lost' || tries >= RECONNECTS_MAX) {
          tally.lost.push(exchange.reason)
          break
        }
        tally.reconnects += 1
        await delay(RECONNECT_MS)
      }
    }
    connection?.close()
  }
  const lanes = Promise.all(Array.from({ length: connections }, lane))
  return {
    tally,
    stop: async () => {
      stopping = true
      await lanes
      return tally
    }
  }
}

export function requestText(method: 'GET' | 'POST', port: number): string {
  const id = `r${process.pid}-${nextId++}`
  const body = method === 'POST' ? 'content-length: 2\r\n\r\n{}' : '\r\n'
  return `${method} ${routedPath(nextId)} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nx-user-id: ${700_000 + nextId}\r\nx-test-id: ${id}\r\n${body}`
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** For messages: what happened, in one line. */
export function describe(tally: Tally): string {
  const statuses = [...tally.byStatus].map(([status, times]) => `${times} x ${status}`).join(', ')
  return `${tally.answered} answers (${statuses}), ${tally.reconnects} reconnects, ${tally.lost.length} lost ${[...new Set(tally.lost)].slice(0, 3).join('; ')}`
}

function count(tally: Tally, answer: Answer, durationMs: number): void {
  tally.answered += 1
  tally.latenciesMs.push(durationMs)
  increment(tally.byStatus, answer.statusCode)
  if (answer.statusCode !== 200) return
  const seen = JSON.parse(answer.body) as { readonly pid: number; readonly requestId: string }
  increment(tally.servedBy, seen.pid)
  // <member>-<worker>-<number>
  increment(tally.gateways, seen.requestId.split('-').slice(0, -2).join('-'))
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

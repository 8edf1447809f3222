import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { CellLayout } from '../layout.ts'

export interface Answer {
  readonly status: number
  /** The cell the entry gateway names. */
  readonly servedBy: string
  readonly header: (name: string) => string
  readonly body: Readonly<Record<string, unknown>>
  readonly ms: number
}

export interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly timeoutMs?: number
}

const HOST = '127.0.0.1'
const TIMEOUT_MS = 15_000
const POLL_MS = 20

/** A connection pool of our own: keep-alive sockets of a gateway that is restarted must not be mistaken for a failure of it. */
const agent = new Agent({ connections: 32, keepAliveTimeout: 1_000, keepAliveMaxTimeout: 1_000 })

export function ask(cell: CellLayout, wanted: Ask): Promise<Answer> {
  return askUrl(`http://${HOST}:${cell.ports.gateway}`, wanted)
}

export function askAdmin(cell: CellLayout, wanted: Ask): Promise<Answer> {
  return askUrl(`http://${HOST}:${cell.ports.gatewayAdmin}`, wanted)
}

/** Polls until it holds. @throws with what was seen last */
export async function until(what: string, { timeoutMs, holds }: { timeoutMs: number; holds: () => Promise<string | true> }): Promise<number> {
  const startedAt = performance.now()
  for (;;) {
    const seen = await holds().catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    const waitedMs = performance.now() - startedAt
    if (seen === true) return waitedMs
    if (waitedMs > timeoutMs) throw new Error(`${what} not within ${timeoutMs} ms: ${seen}`)
    await sleep(POLL_MS)
  }
}

/** One request, byte by byte, for what no HTTP library would send. Returns the whole answer. */
export function askRaw(cell: CellLayout, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect({ host: HOST, port: cell.ports.gateway })
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer')))
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1')
    })
    socket.once('error', reject).once('end', () => resolve(answer))
    socket.write([...lines, 'Connection: close', '', ''].join('\r\n'))
  })
}

async function askUrl(origin: string, { method = 'GET', path, headers = {}, json, timeoutMs = TIMEOUT_MS }: Ask): Promise<Answer> {
  const startedAt = performance.now()
  const response = await request(`${origin}${path}`, {
    method,
    dispatcher: agent,
    headers: { ...headers, ...(json === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    signal: AbortSignal.timeout(timeoutMs)
  })
  const text = await response.body.text()
  const header = (name: string) => [response.headers[name] ?? ''].flat().join(', ')
  return { status: response.statusCode, servedBy: header('x-cellway-served-by'), header, body: parse(text), ms: performance.now() - startedAt }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

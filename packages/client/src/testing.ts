import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buildSnapshot, type Epoch, encodeSnapshot, initialLedger, parseTopology, type Snapshot } from '@cellway/topology'

/** For tests of this package: a real server that plays a control process, well or badly. */
export interface Stage extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly requests: IncomingMessage[]
}

export type Act = (request: IncomingMessage, response: ServerResponse) => void

export async function openStage(act: Act, port = 0): Promise<Stage> {
  const requests: IncomingMessage[] = []
  const server: Server = createServer((request, response) => {
    requests.push(request)
    act(request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const bound = (server.address() as AddressInfo).port
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** One act per request; the last one stays on. */
export function inTurn(...acts: readonly Act[]): Act {
  let at = 0
  return (request, response) => {
    acts[Math.min(at, acts.length - 1)]?.(request, response)
    at += 1
  }
}

/** Answers, and goes on with lines as long as the test wants. */
export function lines(...sent: readonly string[]): Act {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    for (const line of sent) response.write(`${line}\n`)
  }
}

export function answer(status: number, body: unknown): Act {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

export function serverError(code: string, retry: string, details: object = {}): unknown {
  return { error: { code, message: `the message of ${code}`, retry, details } }
}

export function heartbeat(version: number): string {
  return JSON.stringify({ type: 'heartbeat', version })
}

export function snapshotLine(snapshot: Snapshot): string {
  return `{"type":"snapshot","snapshot":${encodeSnapshot(snapshot)}}`
}

const TOPOLOGY = `
apiVersion: cellway/v1
cells:
  beijing: {region: cn-north, gateway: "http://127.0.0.1:7100", apps: {default: ["http://127.0.0.1:7102"]}}
spaces:
  areas: {kind: list, values: [bj, sh], assign: {bj: beijing, sh: beijing}}
routes:
  - {match: {path: /api/**}, space: areas, key: [{header: x-area}], missing: reject}
`

/** @param epoch of its first bucket */
export function makeSnapshot(version: number, epoch = 1): Snapshot {
  const checked = parseTopology(TOPOLOGY)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  const ledger = initialLedger(checked.value).map((entry, index) => (index === 0 ? { ...entry, epoch: epoch as Epoch } : entry))
  return buildSnapshot({ version, topology: checked.value, ledger })
}

import { createServer, request as send } from 'node:http'
import { createConnection, createServer as createTcpServer, type Socket } from 'node:net'
import { encodeContext } from '@cellway/topology'
import type { World } from './judge.ts'
import { listen } from './recording-upstream.ts'

/** A proxy that is wrong on purpose: the corpus must find it out, or the corpus proves nothing. */
export interface NaiveProxy extends AsyncDisposable {
  readonly port: number
}

/**
 * What many tutorials show: node's own parser as the only check, every header passed on. It signs for routes without a bucket
 * like a gateway would, so that its rows fail for what it lets through and not for a missing signature.
 */
export async function startForwardingProxy(upstreamPort: number, { signingKey }: World): Promise<NaiveProxy> {
  const server = createServer({ maxHeaderSize: 64 * 1024 }, (incoming, answer) => {
    const context = { cell: 'beijing', space: undefined, bucket: undefined, epoch: undefined, key: undefined, hop: { count: 0, from: undefined } }
    const ours = encodeContext(context, { signingKey, expiresAtSeconds: Math.floor(Date.now() / 1000) + 60 })
    // `rawHeaders` as they came; node does not look at them again when they are given as a list.
    const headers = [...incoming.rawHeaders, ...ours]
    let forwarded: ReturnType<typeof send>
    try {
      forwarded = send({ port: upstreamPort, host: '127.0.0.1', method: incoming.method, path: incoming.url, headers })
    } catch {
      answer.destroy()
      return
    }
    forwarded.on('response', (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.rawHeaders)
      reply.pipe(answer)
    })
    forwarded.on('error', () => answer.destroy())
    // A classic fault: a body that was cut off is ended as if it had been whole.
    incoming.on('error', () => forwarded.end())
    incoming.pipe(forwarded)
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  const port = await listen(server)
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** Passes bytes without looking at them: every hostile row must fail behind it. */
export async function startTunnel(upstreamPort: number): Promise<NaiveProxy> {
  const open = new Set<Socket>()
  const server = createTcpServer({ allowHalfOpen: true }, (client) => {
    const upstream = createConnection({ port: upstreamPort, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      socket.on('error', () => socket.destroy())
    }
    client.pipe(upstream).pipe(client)
  })
  const port = await listen(server)
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

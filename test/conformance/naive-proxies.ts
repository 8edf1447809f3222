import { createServer, request as send } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createConnection, createServer as createTcpServer, type Socket } from 'node:net'
import { encodeContext } from '@cellway/topology'
import { generate } from 'selfsigned'
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
    // `rawHeaders` as they came; node does not look at them again when they are given as a list.
    const headers = [...incoming.rawHeaders, ...contextOf(signingKey)]
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

/** HTTP/2 in front, node:http behind, fields passed on as they came: what a quick downgrade looks like. */
export async function startDowngradingProxy(upstreamPort: number, { signingKey }: World): Promise<NaiveProxy & { readonly ca: string }> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048, algorithm: 'sha256' })
  const server = createSecureServer({ cert: made.cert, key: made.private, maxSessionMemory: 100, settings: { maxHeaderListSize: 1024 * 1024 } })
  server.on('stream', (stream, fields) => {
    const headers = [...Object.entries(fields).filter(([name]) => !name.startsWith(':')), ['host', fields[':authority'] ?? '']].flatMap(
      ([name, value]) => [String(name), String(value)]
    )
    const forwarded = send({
      port: upstreamPort,
      host: '127.0.0.1',
      method: fields[':method'],
      path: fields[':path'],
      headers: [...headers, ...contextOf(signingKey)]
    })
    stream.on('error', () => forwarded.destroy())
    forwarded.on('error', () => stream.destroy())
    forwarded.on('response', (reply) => {
      if (stream.destroyed) return
      stream.respond({ ':status': reply.statusCode ?? 502 })
      reply.pipe(stream)
    })
    stream.pipe(forwarded)
  })
  // What it throws about odd fields ends that session only.
  server.on('sessionError', () => undefined)
  const port = await listen(server)
  return {
    port,
    ca: made.cert,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/**
 * One connection for everybody, answers matched to clients by order alone, nothing ever given up: the pool that lets
 * one client read what was meant for another.
 */
export async function startSharingProxy(upstreamPort: number): Promise<NaiveProxy> {
  const open = new Set<Socket>()
  const waiting: Socket[] = []
  let answers: Buffer = Buffer.alloc(0)
  const upstream = createConnection({ port: upstreamPort, host: '127.0.0.1' })
  upstream.on('error', () => upstream.destroy())
  upstream.on('data', (bytes: Buffer) => {
    answers = Buffer.concat([answers, bytes])
    for (let end = firstAnswerEnd(answers); end !== undefined; end = firstAnswerEnd(answers)) {
      waiting.shift()?.write(answers.subarray(0, end))
      answers = answers.subarray(end)
    }
  })
  const server = createTcpServer((client) => {
    open.add(client)
    client.on('close', () => open.delete(client))
    client.on('error', () => client.destroy())
    client.on('data', (request) => {
      waiting.push(client)
      upstream.write(request)
    })
  })
  const port = await listen(server)
  return {
    port,
    async [Symbol.asyncDispose]() {
      upstream.destroy()
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** The first length counts, whatever else the head says. */
function firstAnswerEnd(answers: Buffer): number | undefined {
  const text = answers.toString('latin1')
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const length = Number(/content-length: ([0-9]+)/i.exec(text.slice(0, headEnd))?.[1] ?? 0)
  return answers.length < headEnd + 4 + length ? undefined : headEnd + 4 + length
}

function contextOf(signingKey: Buffer): readonly string[] {
  const context = { cell: 'beijing', space: undefined, bucket: undefined, epoch: undefined, key: undefined, hop: { count: 0, from: undefined } }
  return encodeContext(context, { signingKey, expiresAtSeconds: Math.floor(Date.now() / 1000) + 60 })
}

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { resetSocket } from '../reset-socket.ts'

/** A link that can be cut, or go silent with both ends open, as real ones do. */
export interface TcpProxy extends AsyncDisposable {
  readonly url: string
  /** Both ends of every connection get a reset. */
  cut(): void
  /** Nothing passes any more, and nobody is told; new connections are accepted and get no answer. */
  goSilent(): void
  /** New connections pass again; the silent ones stay silent for ever. */
  heal(): void
  readonly connections: number
  /** Connections that were cut or went silent. */
  readonly faults: number
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const silenced = new Set<Socket>()
  let silent = false
  let faults = 0
  const server: Server = createServer((client) => {
    if (silent) {
      silenced.add(client)
      client.on('error', () => {}).on('close', () => silenced.delete(client))
      client.pause()
      return
    }
    const target = connect({ port: targetPort, host: '127.0.0.1' })
    const pair = [client, target] as const
    pairs.add(pair)
    for (const [from, to] of [
      [client, target],
      [target, client]
    ] as const) {
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('close', () => {
        pairs.delete(pair)
        if (!silenced.has(from)) to.destroy()
      })
      from.pipe(to)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return {
    url: `http://127.0.0.1:${address.port}`,
    cut() {
      faults += pairs.size
      for (const [client, target] of pairs) {
        resetSocket(client)
        resetSocket(target)
      }
    },
    goSilent() {
      silent = true
      faults += pairs.size
      for (const pair of pairs) {
        for (const socket of pair) {
          silenced.add(socket)
          socket.unpipe()
          socket.pause()
        }
      }
      pairs.clear()
    },
    heal() {
      silent = false
    },
    get connections() {
      return pairs.size
    },
    get faults() {
      return faults
    },
    async [Symbol.asyncDispose]() {
      for (const socket of [...silenced, ...[...pairs].flat()]) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }
}

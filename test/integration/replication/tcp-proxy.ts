import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { resetSocket } from '../reset-socket.ts'

/** A link between two processes that can be made bad. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Resets every connection, and refuses new ones until `heal`. */
  cut(): void
  /** Nothing passes any more in either direction, and nobody is told: connections stay open. */
  blackhole(): void
  /** Bytes pass late. */
  delay(ms: number): void
  /** As at the beginning. Connections of a black hole are reset: what was lost in them is lost. */
  heal(): void
  /** Bytes passed in both directions. */
  readonly bytes: number
}

type Mode = { readonly kind: 'pass' } | { readonly kind: 'cut' } | { readonly kind: 'blackhole' } | { readonly kind: 'delay'; readonly ms: number }

export async function openTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let mode: Mode = { kind: 'pass' }
  let bytes = 0

  function pipe(from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      // A chunk of a black hole is gone, as if the cable were: what comes later must not follow it.
      if (mode.kind === 'blackhole') return
      bytes += chunk.length
      const write = (): void => {
        if (!to.destroyed && !to.write(chunk)) from.pause()
      }
      if (mode.kind === 'delay') setTimeout(write, mode.ms)
      else write()
    })
    to.on('drain', () => from.resume())
  }

  const server: Server = createServer((client) => {
    client.on('error', () => undefined)
    if (mode.kind === 'cut') {
      resetSocket(client)
      return
    }
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    client.setNoDelay(true)
    const pair = [client, target] as const
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      client.destroy()
      target.destroy()
    }
    for (const socket of pair) {
      socket.on('error', end)
      // An end that falls into a black hole is not heard of on the other side.
      socket.on('close', () => (mode.kind === 'blackhole' ? undefined : end()))
    }
    pipe(client, target)
    pipe(target, client)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  function resetAll(): void {
    for (const [client, target] of pairs) {
      resetSocket(client)
      resetSocket(target)
    }
    pairs.clear()
  }

  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      mode = { kind: 'cut' }
      resetAll()
    },
    blackhole() {
      mode = { kind: 'blackhole' }
    },
    delay(ms) {
      mode = { kind: 'delay', ms }
    },
    heal() {
      const before = mode.kind
      mode = { kind: 'pass' }
      if (before === 'blackhole') resetAll()
    },
    get bytes() {
      return bytes
    },
    [Symbol.asyncDispose]: async () => {
      resetAll()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

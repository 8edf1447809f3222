import type { Duplex } from 'node:stream'
import type { DataPlane } from '../data-plane.ts'
import { FrameBoundary, goingAwayFrame } from '../http/websocket-frames.ts'
import type { Routed } from '../phases/classify.ts'
import type { Exchange } from '../phases/exchange.ts'

/** How long a close frame waits for the end of a frame that the instance is still writing, and then for the client to close. */
const CLOSE_WAIT_MS = 2_000

export interface TunnelEnds {
  readonly client: Duplex
  readonly upstream: Duplex
  /** Bytes that came right behind the client's request. */
  readonly first: Buffer
  /** Bytes that came right behind the instance's 101. */
  readonly firstOfUpstream: Buffer
  readonly classification: Routed
  readonly servedBy: string
}

/** Joins both sockets with back-pressure; ends with 1001 at a frame boundary when the bucket moves or the gateway drains. */
export function tunnel(
  plane: DataPlane,
  exchange: Exchange,
  { client, upstream, first, firstOfUpstream, classification, servedBy }: TunnelEnds
): void {
  const boundary = new FrameBoundary()
  let closing: 'moved' | 'draining' | undefined
  const end = (): void => {
    remove()
    client.destroy()
    upstream.destroy()
  }
  /** Reads on until the client closes: with its close frame unread, node would never see its end, and the socket would stay. */
  const endClient = (frame?: Buffer): void => {
    client.unpipe(upstream)
    client.end(frame, () => setTimeout(end, CLOSE_WAIT_MS).unref())
    client.resume()
  }
  const sayGoodbye = (): void => {
    upstream.destroy()
    setTimeout(end, CLOSE_WAIT_MS).unref()
    endClient(goingAwayFrame(closing === 'moved' ? 'moved to another cell' : 'gateway is restarting'))
  }
  const remove = plane.streams.add({
    kind: 'websocket',
    space: classification.kind === 'bucket' ? classification.space : undefined,
    bucket: exchange.bucket,
    servedBy,
    close: (reason) => {
      closing = reason
      if (boundary.atBoundary) sayGoodbye()
      else setTimeout(end, CLOSE_WAIT_MS).unref()
    }
  })
  const onUpstreamData = (chunk: Buffer): void => {
    boundary.push(chunk)
    if (!client.write(chunk)) {
      upstream.pause()
      client.once('drain', () => upstream.resume())
    }
    if (closing !== undefined && boundary.atBoundary) sayGoodbye()
  }
  if (firstOfUpstream.length > 0) onUpstreamData(firstOfUpstream)
  upstream.on('data', onUpstreamData)
  upstream.on('end', () => client.end())
  upstream.on('error', end).on('close', () => {
    remove()
    if (closing === undefined) endClient()
  })
  client.on('error', end).on('close', end)
  if (first.length > 0) upstream.write(first)
  client.pipe(upstream)
  plane.log.debug({ requestId: exchange.requestId, servedBy }, 'websocket open')
}

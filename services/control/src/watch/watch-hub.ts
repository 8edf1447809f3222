import type { ServerResponse } from 'node:http'
import type { Clock } from '@cellway/base'
import { tooManyMembers } from '../errors.ts'
import type { MemberIdentity, Members } from '../members.ts'
import type { Published } from '../state/current.ts'

export interface Watcher extends MemberIdentity {
  /** The version it already has; only newer ones are sent. */
  readonly have: number
  /** Asked with each heartbeat: a revoked token ends the stream. */
  readonly isAllowed: () => boolean
  /** Sends the headers; not called when the stream is refused. */
  readonly onAccepted: () => void
}

export type CloseReason = 'client' | 'stalled' | 'revoked' | 'stopping'

export interface WatchHub {
  /** Takes over the response, whose headers are not sent yet. @throws CTL_TOO_MANY_MEMBERS */
  open(response: ServerResponse, watcher: Watcher): void
  /** There is a newer version: everybody who can take it gets it now, the others get the newest when they can. */
  publish(): void
  counts(): ReadonlyMap<string, number>
  close(): void
}

export interface WatchHubOptions {
  readonly published: () => Published | undefined
  readonly members: Members
  readonly clock: Clock
  readonly onClosed: (watcher: Watcher, reason: CloseReason) => void
  readonly onSkipped: () => void
}

/** Clients take three missing ones for a dead connection. */
export const HEARTBEAT_MS = 2000
/** A reader that took nothing for this long is cut off; it will come back and get the newest. */
export const STALLED_AFTER_MS = 20_000
export const WATCHERS_MAX = 4000

interface Connection {
  readonly watcher: Watcher
  readonly response: ServerResponse
  sentVersion: number
  /** Since when the socket takes nothing more; meanwhile nothing is written, so nothing queues up. */
  blockedSinceMs: number | undefined
}

export function createWatchHub({ published, members, clock, onClosed, onSkipped }: WatchHubOptions): WatchHub {
  const connections = new Set<Connection>()
  let line: { version: number; bytes: Buffer } | undefined
  const timer = setInterval(beat, HEARTBEAT_MS)
  timer.unref()

  /** One buffer per version, shared by all connections. */
  function snapshotLine(current: Published): Buffer {
    const { version } = current.snapshot
    if (line?.version !== version) line = { version, bytes: Buffer.from(`{"type":"snapshot","snapshot":${current.text}}\n`) }
    return line.bytes
  }

  function write(connection: Connection, bytes: Buffer | string): void {
    if (!connection.response.write(bytes)) connection.blockedSinceMs = clock.monotonicMs()
  }

  function offer(connection: Connection): void {
    const current = published()
    if (current === undefined || current.snapshot.version <= connection.sentVersion) return
    if (connection.blockedSinceMs !== undefined) {
      onSkipped()
      return
    }
    connection.sentVersion = current.snapshot.version
    write(connection, snapshotLine(current))
  }

  function beat(): void {
    const heartbeat = heartbeatLine()
    for (const connection of connections) {
      if (!connection.watcher.isAllowed()) end(connection, 'revoked')
      else if (connection.blockedSinceMs === undefined) write(connection, heartbeat)
      else if (clock.monotonicMs() - connection.blockedSinceMs > STALLED_AFTER_MS) end(connection, 'stalled')
    }
  }

  function heartbeatLine(): string {
    return `${JSON.stringify({ type: 'heartbeat', version: published()?.snapshot.version ?? 0 })}\n`
  }

  function end(connection: Connection, reason: CloseReason): void {
    if (!connections.delete(connection)) return
    members.disconnected(connection.watcher, clock.nowMs())
    onClosed(connection.watcher, reason)
    if (reason === 'stalled') connection.response.destroy()
    else connection.response.end()
  }

  return {
    open(response, watcher) {
      if (connections.size >= WATCHERS_MAX) throw tooManyMembers({ membersMax: WATCHERS_MAX })
      members.connected(watcher, clock.nowMs())
      const connection: Connection = { watcher, response, sentVersion: watcher.have, blockedSinceMs: undefined }
      connections.add(connection)
      watcher.onAccepted()
      response.on('close', () => end(connection, 'client'))
      response.on('error', () => end(connection, 'client'))
      response.on('drain', () => {
        connection.blockedSinceMs = undefined
        if (connections.has(connection)) offer(connection)
      })
      response.socket?.setNoDelay(true)
      // At once, so that the client knows that it is through, and how far it is behind.
      write(connection, heartbeatLine())
      offer(connection)
    },
    publish() {
      for (const connection of connections) offer(connection)
    },
    counts() {
      const counts = new Map<string, number>()
      for (const { watcher } of connections) counts.set(watcher.kind, (counts.get(watcher.kind) ?? 0) + 1)
      return counts
    },
    close() {
      clearInterval(timer)
      for (const connection of connections) end(connection, 'stopping')
    }
  }
}

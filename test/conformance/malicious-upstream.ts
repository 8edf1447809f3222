import { createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { resetSocket } from '../integration/reset-socket.ts'
import { answerBytes, isProbe, listen } from './recording-upstream.ts'
import { createRequestReader, type ReadRequest } from './strict-request-reader.ts'

/** One thing that a wrong upstream does on its connection. Without `end` or `reset` the connection stays open. */
export type Step =
  | { readonly kind: 'write'; readonly bytes: Buffer }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Sound so far; goes on when the test says that the connection is idle. What comes then spoils it. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'end' }
  | { readonly kind: 'reset' }

export interface MaliciousUpstream extends AsyncDisposable {
  readonly port: number
  /** What the gateway did with connections that had misbehaved; empties the list. */
  takeProblems(): readonly string[]
  /** Lets the scripts that wait for an idle connection go on. */
  releaseIdle(): void
  /** Resolves to false if a connection on which `id` was played is still open at the deadline. */
  dropped(id: string, deadlineMs: number): Promise<boolean>
}

export const EVIL_PREFIX = '/open/slow/evil/'
export const GOOD_PREFIX = '/open/good/'

interface Connection {
  readonly socket: Socket
  playing: string | undefined
  /** What it has sent breaks the rules, so nobody may use it again. */
  spoiled: boolean
}

interface Stage {
  readonly scripts: ReadonlyMap<string, readonly Step[]>
  readonly signal: AbortSignal
  /** Resolves at the next release. */
  idle: PromiseWithResolvers<void>
}

/** An app that answers `/open/good/<token>` with the token, and plays a script for `/open/slow/evil/<id>`. */
export async function startMaliciousUpstream(scripts: ReadonlyMap<string, readonly Step[]>): Promise<MaliciousUpstream> {
  const connections = new Set<Connection>()
  const stopped = new AbortController()
  const stage: Stage = { scripts, signal: stopped.signal, idle: Promise.withResolvers() }
  let problems: string[] = []
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const connection: Connection = { socket, playing: undefined, spoiled: false }
    const reader = createRequestReader()
    connections.add(connection)
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.on('close', () => connections.delete(connection))
    socket.on('data', (bytes) => {
      for (const request of reader.push(bytes)) {
        if (connection.spoiled) problems.push(`the connection on which ${connection.playing} was played carries ${request.target}`)
        serve(connection, request, stage)
      }
    })
  })
  const port = await listen(server)
  return {
    port,
    takeProblems() {
      const taken = problems
      problems = []
      return taken
    },
    releaseIdle() {
      stage.idle.resolve()
      stage.idle = Promise.withResolvers()
    },
    async dropped(id, deadlineMs) {
      const open = [...connections].filter(({ playing }) => playing === id)
      const closings = open.map(({ socket }) => new Promise((resolve) => socket.once('close', () => resolve(true))))
      return await Promise.race([Promise.all(closings).then(() => true), delay(deadlineMs, false, { ref: false })])
    },
    async [Symbol.asyncDispose]() {
      stopped.abort()
      stage.idle.resolve()
      for (const { socket } of connections) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

function serve(connection: Connection, request: ReadRequest, stage: Stage): void {
  const { socket } = connection
  if (isProbe(request)) socket.write(answerBytes('200 OK', ['content-length: 2'], 'ok'))
  else if (request.target.startsWith(GOOD_PREFIX)) {
    const token = request.target.slice(GOOD_PREFIX.length)
    socket.write(answerBytes('200 OK', [`content-length: ${token.length}`], token))
  } else {
    const id = request.target.slice(EVIL_PREFIX.length)
    connection.playing = id
    const steps = stage.scripts.get(id) ?? [{ kind: 'end' }]
    connection.spoiled = !steps.some(({ kind }) => kind === 'idle')
    play(connection, steps, stage).catch(() => socket.destroy())
  }
}

async function play(connection: Connection, steps: readonly Step[], stage: Stage): Promise<void> {
  const { socket } = connection
  for (const step of steps) {
    if (socket.destroyed) return
    if (step.kind === 'write') socket.write(step.bytes)
    else if (step.kind === 'wait') await delay(step.ms, undefined, { signal: stage.signal })
    else if (step.kind === 'idle') {
      await stage.idle.promise
      connection.spoiled = true
    } else if (step.kind === 'end') socket.end()
    else resetSocket(socket)
  }
}

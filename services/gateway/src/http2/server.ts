import { createServer, type Http2Server, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { GatewayConfig } from '../config.ts'
import { Message } from './message.ts'

export interface H2ServerOptions {
  readonly limits: GatewayConfig['limits']
  readonly onRequest: (message: Message) => void
  /** CONNECT would make a tunnel. */
  readonly onConnect: (message: Message) => void
  readonly onSessionError: (error: Error) => void
}

/** HTTP/2 on sockets that somebody else accepts: node's own server, which is never told to listen. */
export class H2Server {
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #server: Http2Server

  constructor({ limits, onRequest, onConnect, onSessionError }: H2ServerOptions) {
    const server = createServer({
      maxHeaderListPairs: limits.headersMax + 4,
      maxSessionMemory: 10,
      streamResetBurst: 200,
      streamResetRate: 33,
      settings: { maxConcurrentStreams: limits.http2StreamsMax, maxHeaderListSize: limits.headerBytesMax, enablePush: false }
    })
    this.#server = server
    const serve = (request: Http2ServerRequest, response: Http2ServerResponse): void => onRequest(new Message(request, response))
    // Our own validation judges `Expect`, so that the answer is like every other refusal.
    server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve)
    server.on('connect', (request: Http2ServerRequest, response: Http2ServerResponse) => onConnect(new Message(request, response)))
    // A session error has ended that session already; the others must not notice.
    server.on('sessionError', onSessionError)
    server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session)
      session.setTimeout(limits.requestTimeoutMs, () => session.close())
      session.once('close', () => this.#sessions.delete(session))
    })
  }

  accept(socket: Socket): void {
    this.#server.emit('connection', socket)
  }

  /** GOAWAY: what is under way is answered, then each session ends. */
  close(): void {
    for (const session of this.#sessions) session.close()
  }
}

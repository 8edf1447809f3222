import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { isCellwayError } from '@cellway/base'
import type { DataPlane } from '../data-plane.ts'
import { draining, holdTimeout, internalError, noUpstream, upgradeRefused } from '../errors.ts'
import { SERVED_BY } from '../http/answer.ts'
import { upstreamHead } from '../http/request-headers.ts'
import { classify, type Routed } from '../phases/classify.ts'
import { bucketLabel, type ClientResponse, type Exchange } from '../phases/exchange.ts'
import { finish } from '../phases/finish.ts'
import { attemptError, type Forwarding, facts, requestContext } from '../phases/forward.ts'
import { judge } from '../phases/judge.ts'
import { validate } from '../phases/validate.ts'
import { openExchange } from '../pipeline.ts'
import { GATEWAY_APP } from '../upstream/directory.ts'
import type { Instance } from '../upstream/instance.ts'
import { rawAnswer } from './parser-error.ts'
import { tunnel } from './tunnel.ts'

/** Only what may become a WebSocket leaves the ordinary path; every other `Upgrade` is ignored, as RFC 9110 7.8 allows. */
export function shouldUpgrade(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.httpVersion === '1.1' && request.headers.upgrade?.toLowerCase() === 'websocket'
}

/** The same phases for a WebSocket: validate, classify, judge, forward; then a tunnel that ends when its bucket moves. */
export async function handleUpgrade(plane: DataPlane, request: IncomingMessage, socket: Duplex, first: Buffer): Promise<void> {
  // There is no ServerResponse for an upgrade: answers go to the socket as bytes, so nothing below touches `response`.
  const exchange = openExchange(plane, request, undefined as unknown as ClientResponse, 'h1')
  socket.on('error', () => socket.destroy())
  try {
    validate(plane, exchange)
    checkUpgrade(plane, exchange, request)
    const { classification, verdict, instance } = place(plane, exchange)
    await connect(plane, exchange, { classification, verdict, instance, socket, first })
  } catch (error) {
    const refusal = isCellwayError(error) ? error : internalError({}, { cause: error })
    exchange.error = refusal
    exchange.statusCode = refusal.statusCode
    if (socket.writable) socket.end(rawAnswer(refusal, exchange.requestId))
  } finally {
    finish(plane, exchange)
  }
}

function checkUpgrade(plane: DataPlane, exchange: Exchange, request: IncomingMessage): void {
  if (plane.draining) throw draining({})
  if (exchange.head?.upgrade !== 'websocket') throw upgradeRefused({ rule: 'Connection must name upgrade' })
  if (exchange.head.bodyKind !== 'none') throw upgradeRefused({ rule: 'an upgrade has no body' })
  if (request.headers['sec-websocket-version'] !== '13') throw upgradeRefused({ rule: 'Sec-WebSocket-Version must be 13' })
  if (!/^[A-Za-z0-9+/]{22}==$/.test(request.headers['sec-websocket-key'] ?? ''))
    throw upgradeRefused({ rule: 'Sec-WebSocket-Key must be 16 bytes in base64' })
}

interface Placed {
  readonly classification: Routed
  readonly verdict: Forwarding
  readonly instance: Instance
}

function place(plane: DataPlane, exchange: Exchange): Placed {
  const adopted = plane.current
  if (adopted === undefined) throw internalError({})
  const classification = classify(plane, exchange, adopted)
  if (!classification.route.websocket) throw upgradeRefused({ rule: 'this route does not allow WebSockets' })
  plane.admission.admit(classification.route, plane.inFlight, plane.clock.monotonicMs())
  const verdict = judge(plane, exchange, classification, adopted)
  exchange.verdict = verdict
  if (verdict.kind === 'refuse') throw verdict.error
  if (verdict.kind === 'hold') throw holdTimeout({ bucket: bucketLabel(exchange), waitedMs: 0 })
  const cell = verdict.kind === 'local' ? plane.selfCell : verdict.cell
  const app = verdict.kind === 'local' ? classification.route.app : GATEWAY_APP
  const instance = plane.directory.pick(cell, app, plane.clock.monotonicMs(), [])
  if (instance === undefined) throw noUpstream({ cell, app, reason: 'every instance is down or its breaker is open' })
  exchange.servedBy = cell
  return { classification, verdict, instance }
}

interface Connecting extends Placed {
  readonly socket: Duplex
  readonly first: Buffer
}

/** Resolves when the tunnel stands or the instance declined; rejects with what to answer. */
function connect(plane: DataPlane, exchange: Exchange, connecting: Connecting): Promise<void> {
  const { classification, verdict, instance, socket } = connecting
  const head = exchange.head
  if (head === undefined) throw internalError({})
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const context = plane.signer.lines(requestContext(plane, exchange, verdict, instance.cell), plane.clock.nowMs())
  const onClientGone = (): void => {
    exchange.gone = true
    socket.destroy()
    dispatched.abort()
    // A client that gave up says nothing about the instance.
    instance.onAbandoned()
    resolve()
  }
  const onSettled = (): void => {
    socket.off('end', onClientGone).off('close', onClientGone)
    instance.onSuccess()
    resolve()
  }
  // Nobody reads the socket until the tunnel stands; without a read node would not notice its end.
  socket.once('end', onClientGone).once('close', onClientGone).read(0)
  instance.onSend(plane.clock.monotonicMs())
  const dispatched = instance.pool.dispatch(
    {
      method: 'GET',
      head: upstreamHead(head, context, facts(exchange), undefined, 'connection: upgrade\r\nupgrade: websocket\r\n'),
      body: null,
      contentLength: undefined,
      answerTimeoutMs: classification.route.timeoutMs,
      bodyIdleTimeoutMs: plane.config.upstream.bodyIdleTimeoutMs,
      expectsUpgrade: true
    },
    {
      onSent: () => undefined,
      onUpgrade: ({ statusCode, headers }, upstream, firstOfUpstream) => {
        onSettled()
        exchange.statusCode = statusCode
        socket.write(headLines(statusCode, [...headers, 'connection', 'Upgrade', 'upgrade', 'websocket', SERVED_BY, instance.cell]), 'latin1')
        tunnel(plane, exchange, { client: socket, upstream, first: connecting.first, firstOfUpstream, classification, servedBy: instance.cell })
      },
      onWhole: (declined, body) => {
        onSettled()
        exchange.statusCode = declined.statusCode
        socket.end(Buffer.concat([Buffer.from(answerHead(declined.statusCode, declined.headers), 'latin1'), body]))
      },
      onHead: (declined) => {
        exchange.statusCode = declined.statusCode
        socket.write(answerHead(declined.statusCode, declined.headers), 'latin1')
      },
      onData: (chunk) => {
        if (socket.write(chunk)) return
        dispatched.pause()
        socket.once('drain', () => dispatched.resume())
      },
      onEnd: () => {
        onSettled()
        socket.end()
      },
      onError: (error) => {
        socket.off('end', onClientGone).off('close', onClientGone)
        if (exchange.statusCode !== 0) socket.destroy()
        instance.onFailure(plane.clock.monotonicMs())
        reject(attemptError(error, instance.cell, 'unknown', classification.route.timeoutMs))
      }
    }
  )
  return promise
}

/** Its body ends with the connection, whatever length it had: the socket is not used again. */
function answerHead(statusCode: number, headers: readonly string[]): string {
  return headLines(statusCode, [...headers, 'connection', 'close'])
}

function headLines(statusCode: number, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}\r\n`
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`
  return `${text}\r\n`
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import type { CellwayError } from '@cellway/base'
import type { FrameReader, Log } from '@cellway/log'
import { BEAT_EVERY_MS, createFrameReader, encodeBeat, encodeError, errorToWire, FRAMES_CONTENT_TYPE, logLinkBroken } from '@cellway/log'
import { type Budget, createBudget } from '../budget.ts'
import { requestInvalid } from '../errors.ts'
import type { Acknowledger } from './acknowledger.ts'
import { createAcknowledger } from './acknowledger.ts'
import { drained, nextPiece } from './waits.ts'

export interface UploadOptions {
  readonly log: Log
  readonly stream: string
  /** Shared by all uploads. */
  readonly budget: Budget
  readonly uploadBytesMax: number
  readonly silenceMsMax: number
  /** The center stops, or a newer link of the same writer has come; with the error that says so. */
  readonly ending: AbortSignal
  readonly asError: (cause: unknown) => CellwayError
  readonly onAck: (bytes: number, ms: number) => void
  readonly onRefusal: (error: CellwayError) => void
}

/** How long a client that was told the end may take to go away by itself: closing earlier could cost it the answer. */
const LINGER_MS = 2000

/** Takes records off a link as long as there is room for them, and answers each when it is durable. Never rejects. */
export async function serveUpload(request: IncomingMessage, response: ServerResponse, options: UploadOptions): Promise<void> {
  const { silenceMsMax, ending, asError } = options
  const link = new AbortController()
  const onClose = (): void => link.abort(logLinkBroken({ problem: 'the client went away' }))
  const onEnding = (): void => link.abort(ending.reason)
  response.once('close', onClose)
  ending.addEventListener('abort', onEnding, { once: true })
  // An answer that nobody waits for any more fails with its connection; `close` tells.
  response.on('error', () => {})
  response.writeHead(200, { 'content-type': FRAMES_CONTENT_TYPE, 'cache-control': 'no-store', connection: 'close' })
  response.write(encodeBeat())
  const heard = { ms: performance.now() }
  const beats = setInterval(() => {
    if (performance.now() - heard.ms > silenceMsMax) link.abort(logLinkBroken({ problem: `nothing came for ${silenceMsMax} ms` }))
    else if (!response.writableNeedDrain) response.write(encodeBeat())
  }, BEAT_EVERY_MS)
  const taken = openIntake(response, options)
  try {
    if (ending.aborted) throw ending.reason
    await takeFrames(request, { ...taken, heard, response, signal: link.signal })
  } catch (cause) {
    // What was taken is answered first: it may well be durable.
    await taken.acknowledger.idle()
    if (!taken.acknowledger.refused && !response.destroyed) endLink(response, asError(link.signal.reason ?? cause))
  } finally {
    clearInterval(beats)
    ending.removeEventListener('abort', onEnding)
    await taken.acknowledger.idle()
    await leave(request, response)
  }
}

interface Intake {
  readonly acknowledger: Acknowledger
  readonly take: (frame: { readonly number: number; readonly epoch: number; readonly payload: Buffer }) => void
  /** Waits until a frame of that size may be held. */
  readonly room: (bytes: number, signal: AbortSignal) => Promise<void>
  /** Of a frame that does not come to its end, or is no append. */
  readonly giveBack: (bytes: number) => void
}

function openIntake(response: ServerResponse, options: UploadOptions): Intake {
  const { log, stream, budget, uploadBytesMax, asError, onAck, onRefusal } = options
  const own = createBudget(uploadBytesMax)
  const giveBack = (bytes: number): void => {
    own.give(bytes)
    budget.give(bytes)
  }
  const acknowledger = createAcknowledger({ response, asError, onAck, onRefusal, onDone: giveBack })
  let expected = 1
  return {
    acknowledger,
    take({ number, epoch, payload }) {
      if (number !== expected) throw requestInvalid({ problem: `append ${number} where ${expected} is expected` })
      expected += 1
      acknowledger.add(costOf(payload.length), (signal) => log.append(stream, { epoch, payload }, { signal }))
    },
    async room(bytes, signal) {
      await own.take(bytes, signal)
      try {
        await budget.take(bytes, signal)
      } catch (cause) {
        own.give(bytes)
        throw cause
      }
    },
    giveBack
  }
}

/** What a record costs besides its bytes; so that a budget of bytes bounds the number of tiny ones too. */
const RECORD_COST_BYTES = 1024
const APPEND_HEAD_BYTES = 16
const costOf = (payloadBytes: number): number => payloadBytes + RECORD_COST_BYTES

interface Taking extends Intake {
  readonly heard: { ms: number }
  readonly response: ServerResponse
  readonly signal: AbortSignal
}

/** Ends at the end of the request, or once an append was refused. @throws the signal's reason, LOG_LINK_BROKEN, LOG_RECORD_TOO_LARGE */
async function takeFrames(request: IncomingMessage, taking: Taking): Promise<void> {
  const { signal, heard, response, acknowledger } = taking
  const reader = createFrameReader()
  const held = { bytes: 0 }
  try {
    for (let piece = await nextPiece(request, signal); piece !== undefined; piece = await nextPiece(request, signal)) {
      heard.ms = performance.now()
      reader.push(piece)
      await takePiece(reader, taking, held)
      if (acknowledger.refused) return
      if (response.writableNeedDrain) await drained(response, signal)
    }
  } finally {
    if (held.bytes > 0) taking.giveBack(held.bytes)
  }
}

/** Everything of a piece; a frame that is larger than the piece keeps its room until it is whole. */
async function takePiece(reader: FrameReader, { room, giveBack, take, acknowledger, heard, signal }: Taking, held: { bytes: number }): Promise<void> {
  for (;;) {
    // Not one more after a newer link of the same writer has come.
    signal.throwIfAborted()
    const announced = reader.announced()
    if (announced === undefined) return
    if (held.bytes === 0) {
      const cost = costOf(Math.max(0, announced - APPEND_HEAD_BYTES))
      await room(cost, signal)
      held.bytes = cost
      heard.ms = performance.now()
    }
    const frame = reader.next()
    if (frame === undefined) return
    const { bytes } = held
    held.bytes = 0
    if (frame.kind === 'append' && !acknowledger.refused) take(frame)
    else giveBack(bytes)
    if (frame.kind !== 'append' && frame.kind !== 'beat') throw requestInvalid({ problem: `a frame of kind ${frame.kind} in an upload` })
  }
}

function endLink(response: ServerResponse, error: CellwayError): void {
  response.write(encodeError(0, errorToWire(error)))
}

/** Until the client has read the end and gone; what it still sends is thrown away. */
async function leave(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // An end would overtake answers that are still held together for this turn.
  await setImmediate()
  if (response.destroyed) return
  request.resume()
  if (request.complete) {
    response.end()
    return
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, LINGER_MS)
    response.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  response.destroy()
}

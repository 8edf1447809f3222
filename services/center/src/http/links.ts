import { randomUUID } from 'node:crypto'
import { type LogPosition, READ_BYTES_MAX } from '@cellway/log'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { requestInvalid, stopping } from '../errors.ts'
import type { CenterParts } from '../parts.ts'
import { BATCH_BYTES_MAX, serveDownload } from '../streams/download.ts'
import { serveUpload } from '../streams/upload.ts'
import { assertMayAppend, principalOf } from '../tokens.ts'
import { asCellwayError } from './errors.ts'
import { type StreamParams, streamOf } from './streams.ts'

/** The long-lived ones: records up and acknowledgements down, and records down. */
export function addLinkRoutes(app: FastifyInstance, parts: CenterParts): void {
  addUpload(app, parts)
  addDownload(app, parts)
}

function addUpload(app: FastifyInstance, { config, log, links, budget, metrics, logger, notReady }: CenterParts): void {
  const { uploadBytesMax, silenceMsMax } = config.limits
  const [appends, bytesTotal] = [metrics.counter('cellway_center_appends_total'), metrics.counter('cellway_center_append_bytes_total')]
  const [seconds, refusals] = [metrics.histogram('cellway_center_append_seconds'), metrics.counter('cellway_center_refusals_total')]
  app.post<{ Params: StreamParams }>('/v1/streams/:cell/:store/records', async (request, reply) => {
    const stream = streamOf(request.params)
    assertMayAppend(principalOf(request), stream)
    if ((await notReady())?.code === 'CTR_STOPPING') throw stopping({})
    // A log that has failed takes nothing: the writer waits outside, and nothing of his is refused.
    await log.streams()
    const writer = request.headers['x-cellway-writer']
    using link = links.openUpload(stream, typeof writer === 'string' ? writer.slice(0, 64) : randomUUID())
    reply.hijack()
    await serveUpload(request.raw, reply.raw, {
      log,
      stream,
      budget,
      uploadBytesMax,
      silenceMsMax,
      ending: link.ending,
      asError: (cause) => asCellwayError(cause, request.id),
      onAck: (bytes, ms) => {
        appends.inc({ stream })
        bytesTotal.inc({ stream }, bytes)
        seconds.observe(ms / 1000)
      },
      onRefusal: (error) => {
        refusals.inc({ code: error.code })
        logger.warn({ requestId: request.id, stream, code: error.code, details: error.details }, 'append refused')
      }
    })
  })
}

/** `GET …/records` for whoever only reads; `POST …/reads` for readers that tell what they have taken, and so are never sent more than they can hold. */
function addDownload(app: FastifyInstance, parts: CenterParts): void {
  app.get<ReadRoute>('/v1/streams/:cell/:store/records', async (request, reply) => download(parts, request, { reply, tells: false }))
  app.post<ReadRoute>('/v1/streams/:cell/:store/reads', async (request, reply) => download(parts, request, { reply, tells: true }))
}

interface ReadRoute {
  readonly Params: StreamParams
  readonly Querystring: { readonly from?: string; readonly maxBytes?: string }
}

async function download(
  { config, log, links, metrics, notReady }: CenterParts,
  request: FastifyRequest<ReadRoute>,
  { reply, tells }: { readonly reply: FastifyReply; readonly tells: boolean }
): Promise<void> {
  const stream = streamOf(request.params)
  const [from, maxBytes] = [parseFrom(request.query.from), parseMaxBytes(request.query.maxBytes)]
  if ((await notReady())?.code === 'CTR_STOPPING') throw stopping({})
  const principal = principalOf(request)
  const bytesTotal = metrics.counter('cellway_center_read_bytes_total')
  using link = links.openRead(stream, principal.role === 'cell' ? principal.cell : principal.name)
  reply.hijack()
  await serveDownload(request.raw, reply.raw, {
    log,
    stream,
    from,
    maxBytes,
    tells,
    silenceMsMax: config.limits.silenceMsMax,
    ending: link.ending,
    asError: (cause) => asCellwayError(cause, request.id),
    onSent: (bytes) => bytesTotal.inc({ stream }, bytes),
    onTaken: (next) => {
      link.next = next
    }
  })
}

/** `oldest`, or `<log id>:<sequence>`. @throws CTR_REQUEST_INVALID */
function parseFrom(text: string | undefined): LogPosition | 'oldest' {
  if (text === 'oldest') return text
  const [, logId, sequence] = /^([0-9a-f-]{1,64}):(\d{1,16})$/.exec(text ?? '') ?? []
  if (logId === undefined || Number(sequence) < 1) throw requestInvalid({ problem: 'from is "oldest" or <logId>:<sequence>' })
  return { logId, sequence: Number(sequence) }
}

/** @throws CTR_REQUEST_INVALID */
function parseMaxBytes(text: string | undefined): number {
  const value = text === undefined ? BATCH_BYTES_MAX : Number(text)
  if (!Number.isSafeInteger(value) || value < 1 || value > READ_BYTES_MAX)
    throw requestInvalid({ problem: `maxBytes is from 1 to ${READ_BYTES_MAX}` })
  return value
}

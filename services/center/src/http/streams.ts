import { checkReader, checkStream, type LogPosition } from '@cellway/log'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { CenterParts } from '../parts.ts'
import { assertMayTrim, assertSpeaksFor, principalOf } from '../tokens.ts'

export interface StreamParams {
  readonly cell: string
  readonly store: string
}

type ReaderParams = StreamParams & { readonly reader: string }

const Position = Type.Object(
  { logId: Type.String({ minLength: 1, maxLength: 64 }), sequence: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) },
  { additionalProperties: false }
)
const Before = Type.Object({ before: Position }, { additionalProperties: false })
const From = Type.Object({ from: Position }, { additionalProperties: false })
const POSITION_CHARS_MAX = 32 * 1024
const Report = Type.Object(
  { position: Type.String({ maxLength: POSITION_CHARS_MAX }), time: Type.Number({ minimum: 0 }) },
  { additionalProperties: false }
)

/** @throws LOG_REQUEST_INVALID */
export function streamOf({ cell, store }: StreamParams): string {
  const stream = `${cell}/${store}`
  checkStream(stream)
  return stream
}

/** The small calls: what there is, trim, known readers, and what readers report. */
export function addStreamRoutes(app: FastifyInstance, { log, links, reports }: CenterParts): void {
  app.get('/v1/streams', async () => {
    const streams = await log.inspect()
    const open = [...links.reads]
    return {
      streams: streams.map(({ readers, ...stream }) => ({
        ...stream,
        retainers: [...readers].map(([reader, position]) => ({ reader, position, lag: stream.next - position })),
        reads: open
          .filter((read) => read.stream === stream.stream)
          .map(({ reader, next }) => ({ reader, next: next ?? null, lag: next === undefined ? null : stream.next - next })),
        reports: reports.of(stream.stream)
      }))
    }
  })
  app.get<{ Params: StreamParams }>('/v1/streams/:cell/:store/bounds', async ({ params }) => log.bounds(streamOf(params)))
  app.get<{ Params: StreamParams }>('/v1/streams/:cell/:store/identity', async ({ params }) => log.identity(streamOf(params)))
  app.post<{ Params: StreamParams; Body: { readonly before: LogPosition } }>(
    '/v1/streams/:cell/:store/trim',
    { schema: { body: Before } },
    async (request) => {
      const stream = streamOf(request.params)
      assertMayTrim(principalOf(request), stream)
      return log.trim(stream, request.body.before)
    }
  )
  app.put<{ Params: ReaderParams; Body: { readonly from: LogPosition } }>(
    '/v1/streams/:cell/:store/retainers/:reader',
    { schema: { body: From } },
    async (request) => {
      const [stream, reader] = [streamOf(request.params), readerOf(request.params)]
      assertSpeaksFor(principalOf(request), reader)
      await log.retain(stream, reader, request.body.from)
      return {}
    }
  )
  app.delete<{ Params: ReaderParams }>('/v1/streams/:cell/:store/retainers/:reader', async (request) => {
    const [stream, reader] = [streamOf(request.params), readerOf(request.params)]
    assertSpeaksFor(principalOf(request), reader)
    await log.release(stream, reader)
    return {}
  })
  app.put<{ Params: ReaderParams; Body: { readonly position: string; readonly time: number } }>(
    '/v1/streams/:cell/:store/readers/:reader',
    { schema: { body: Report } },
    async (request) => {
      const [stream, reader] = [streamOf(request.params), readerOf(request.params)]
      assertSpeaksFor(principalOf(request), reader)
      reports.put(stream, { reader, ...request.body })
      return {}
    }
  )
  app.get<{ Params: StreamParams }>('/v1/streams/:cell/:store/readers', async ({ params }) => ({ readers: reports.of(streamOf(params)) }))
}

function readerOf({ reader }: ReaderParams): string {
  checkReader(reader)
  return reader
}

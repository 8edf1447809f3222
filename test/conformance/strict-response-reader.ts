import { allValues, type HeaderField, readHead } from './http1-head.ts'

export interface Answer {
  readonly version: string
  readonly status: number
  readonly headers: readonly HeaderField[]
  readonly body: Buffer
  /** False when the framing promised more than came. */
  readonly complete: boolean
  /** Statuses of the 1xx answers before it. */
  readonly interim: readonly number[]
}

export interface ReadAnswers {
  readonly answers: readonly Answer[]
  /** What came after the last complete answer. */
  readonly rest: Buffer
  readonly problems: readonly string[]
}

export interface AnswerContext {
  /** Methods of the requests on this connection in order; the last one repeats. A HEAD answer has no body. */
  readonly methods: readonly string[]
  /** Whether the peer has ended the connection. */
  readonly ended: boolean
}

/** Reads every answer of one client connection; strict, since a client that guesses would hide a gateway's fault. */
export function readAnswers(received: Buffer, { methods, ended }: AnswerContext): ReadAnswers {
  const answers: Answer[] = []
  const problems: string[] = []
  let interim: number[] = []
  let at = 0
  while (at < received.length) {
    const head = readHead(received, at)
    if (!head) break
    problems.push(...head.problems)
    const line = /^(HTTP\/1\.[01]) ([1-9][0-9]{2}) ?([\x20-\x7e]*)$/.exec(head.startLine)
    if (!line) {
      problems.push(`odd status line ${JSON.stringify(head.startLine.slice(0, 100))}`)
      break
    }
    const [, version = '', statusText = ''] = line
    const status = Number(statusText)
    at += head.bytes
    if (status < 200 && status !== 101) {
      interim.push(status)
      continue
    }
    const method = methods[Math.min(answers.length, methods.length - 1)] ?? 'GET'
    const body = readBody(received, at, { headers: head.headers, status, method, ended }, problems)
    answers.push({ version, status, headers: head.headers, body: body.bytes, complete: body.complete, interim })
    interim = []
    at = body.end
    if (!body.complete || status === 101) break
  }
  return { answers, rest: received.subarray(at), problems }
}

interface BodyContext {
  readonly headers: readonly HeaderField[]
  readonly status: number
  readonly method: string
  readonly ended: boolean
}

interface Body {
  readonly bytes: Buffer
  readonly end: number
  readonly complete: boolean
}

function readBody(received: Buffer, from: number, context: BodyContext, problems: string[]): Body {
  const lengths = allValues(context.headers, 'content-length')
  const codings = allValues(context.headers, 'transfer-encoding')
  if (lengths.length > 1) problems.push('answer with several Content-Length')
  if (lengths.length > 0 && codings.length > 0) problems.push('answer with Content-Length and Transfer-Encoding')
  const bodiless = context.method === 'HEAD' || context.status === 204 || context.status === 304 || context.status === 101
  if (bodiless) return { bytes: Buffer.alloc(0), end: from, complete: true }
  if (codings.length > 0) return readChunked(received, from, problems)
  const [length] = lengths
  if (length === undefined) return { bytes: received.subarray(from), end: received.length, complete: context.ended }
  if (!/^(0|[1-9][0-9]*)$/.test(length)) problems.push(`answer with odd Content-Length ${length}`)
  const end = Math.min(received.length, from + Number(length))
  return { bytes: received.subarray(from, end), end, complete: end - from === Number(length) }
}

function readChunked(received: Buffer, from: number, problems: string[]): Body {
  const pieces: Buffer[] = []
  let at = from
  const cut = (): Body => ({ bytes: Buffer.concat(pieces), end: received.length, complete: false })
  for (;;) {
    const end = received.indexOf('\r\n', at, 'latin1')
    if (end === -1) return cut()
    const line = received.toString('latin1', at, end)
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) {
      problems.push(`answer with odd chunk size line ${JSON.stringify(line.slice(0, 100))}`)
      return cut()
    }
    const size = Number.parseInt(line, 16)
    at = end + 2
    if (size === 0) break
    pieces.push(received.subarray(at, Math.min(received.length, at + size)))
    if (received.length < at + size + 2) return cut()
    at += size + 2
  }
  // Trailers, if any, up to the empty line.
  while (!received.subarray(at).toString('latin1', 0, 2).startsWith('\r\n')) {
    const end = received.indexOf('\r\n', at, 'latin1')
    if (end === -1) return cut()
    at = end + 2
  }
  return { bytes: Buffer.concat(pieces), end: at + 2, complete: true }
}

import { CellwayError, type RetryVerdict } from '@cellway/base'
import { replicatorAnswerInvalid, replicatorUnknown, replicatorUnreachable } from './errors.ts'
import type { KnownReport } from './reports.ts'

/** One call of the admin API of a cell's replicator. */
export interface ReplicatorCall {
  readonly method: 'GET' | 'POST'
  /** With the query, below the replicator's origin. */
  readonly path: string
  readonly body?: unknown
}

export interface ProxyTarget {
  readonly cell: string
  /** Undefined when no replicator of the cell has reported lately. */
  readonly report: KnownReport | undefined
  readonly signal: AbortSignal
}

/** A replicator answers from memory, or from one statement of its database; longer work is started and watched. */
const TIMEOUT_MS = 15_000
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

/** @throws CTL_REPLICATOR_UNKNOWN, CTL_REPLICATOR_UNREACHABLE, CTL_REPLICATOR_ANSWER_INVALID, and what the replicator refuses with */
export async function callReplicator({ method, path, body }: ReplicatorCall, { cell, report, signal }: ProxyTarget): Promise<unknown> {
  if (report === undefined) throw replicatorUnknown({ cell })
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  let status: number
  let text: string
  try {
    const response = await fetch(new URL(path, report.adminUrl), {
      method,
      // A replicator never sends us elsewhere; whoever does is none.
      redirect: 'error',
      headers: { authorization: `Bearer ${report.adminSecret}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
      signal: bounded
    })
    status = response.status
    text = await readBounded(response)
  } catch (cause) {
    if (cause instanceof CellwayError) throw cause
    throw replicatorUnreachable({ cell, member: report.member, reason: reasonOf(cause) }, { cause })
  }
  const answer = parse(text)
  if (answer === undefined) throw replicatorAnswerInvalid({ cell, status })
  if (status >= 200 && status < 300) return answer
  throw refusalOf(answer, status) ?? replicatorAnswerInvalid({ cell, status })
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw replicatorAnswerInvalid({ cell: '', status: response.status })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What the replicator refused with goes on as it is: its codes are in the same table for users. */
function refusalOf(answer: unknown, status: number): CellwayError | undefined {
  if (!isRecord(answer) || !isRecord(answer.error)) return undefined
  const { code, message, retry, details } = answer.error
  // Our secret is refused: it is another process by now, and reports within a second.
  if (status === 401 || typeof code !== 'string' || typeof message !== 'string') return undefined
  const verdict: RetryVerdict = retry === 'later' || retry === 'after-change' ? retry : 'never'
  return new CellwayError(
    { code, message, statusCode: status, origin: status < 500 ? 'client' : 'operator', retry: verdict },
    isRecord(details) ? details : {}
  )
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? cause.cause.message : cause.message
}

import type { Clock } from '@cellway/base'
import type { GatewayConfig } from './config.ts'
import { remember } from './http/remember.ts'
import { bucketLabel, type Exchange } from './phases/exchange.ts'

export interface AccessLogOptions {
  readonly config: Pick<GatewayConfig, 'accessLog' | 'cell' | 'member'>
  readonly clock: Clock
  /** Whether the logger's level lets these pass. */
  readonly levels: Readonly<Record<'info' | 'warn', boolean>>
  /** Takes whole lines; the same one as the logger's, so that lines do not mix. */
  readonly write: (line: string) => void
}

const METHOD_CHARS_MAX = 32

/** What a line tells of an exchange. */
export type Logged = Pick<
  Exchange,
  'requestId' | 'head' | 'hop' | 'classification' | 'bucket' | 'servedBy' | 'statusCode' | 'attempts' | 'heldMs' | 'error'
> & { readonly request: { readonly method?: string | undefined } }

/**
 * One line per request in the form of all other log lines, put together by hand: a logger that walks an object and looks for secrets
 * costs as much as routing and signing the request. Nothing secret gets here: the fields are these, and no header or query is among them.
 */
export class AccessLog {
  readonly #options: AccessLogOptions
  readonly #source: string
  #stampMs = -1
  #stamp = ''

  constructor(options: AccessLogOptions) {
    const { cell, member } = options.config
    this.#options = options
    this.#source = `","service":"gateway","pid":${process.pid},"cell":${JSON.stringify(cell)},"member":${JSON.stringify(member)},"requestId":"`
  }

  record(exchange: Logged, route: string, verdict: string, durationMs: number): void {
    const { error } = exchange
    const level = error !== undefined && error.statusCode >= 500 ? 'warn' : 'info'
    const { config, levels, write } = this.#options
    if (!levels[level] || config.accessLog === 'off' || (config.accessLog === 'errors' && error === undefined)) return
    const { head, classification, servedBy } = exchange
    // Ids and verdicts are of harmless letters by their own rules; whatever else is text goes through `jsonText`.
    let line = `{"level":"${level}","time":"${this.#timed()}${exchange.requestId}"`
    // What was refused before it was understood may be as long as a head.
    const method = head?.method ?? exchange.request.method?.slice(0, METHOD_CHARS_MAX)
    if (method !== undefined) line += `,"method":${jsonText(method)}`
    if (head !== undefined) line += `,"path":${jsonText(head.path)}`
    line += `,"route":${knownText(route)}`
    if (classification?.kind === 'bucket') line += `,"bucket":${jsonText(bucketLabel(exchange))}`
    line += `,"verdict":"${verdict}"`
    if (servedBy !== undefined) line += `,"servedBy":${knownText(servedBy)}`
    line += `,"status":${exchange.statusCode},"ms":${hundredths(durationMs)}`
    write(`${line}${rareFields(exchange)},"msg":"request"}\n`)
  }

  /** Time and source, up to the value of the request id; many requests end in one millisecond. */
  #timed(): string {
    const nowMs = this.#options.clock.nowMs()
    if (nowMs !== this.#stampMs) {
      this.#stampMs = nowMs
      this.#stamp = new Date(nowMs).toISOString() + this.#source
    }
    return this.#stamp
  }
}

function rareFields({ hop, attempts, heldMs, error }: Logged): string {
  let fields = ''
  if (hop !== undefined) fields += `,"hopFrom":${jsonText(hop.from)}`
  if (attempts > 1) fields += `,"attempts":${attempts}`
  if (heldMs > 0) fields += `,"heldMs":${Math.round(heldMs)}`
  if (error !== undefined) fields += `,"code":${jsonText(error.code)},"details":${JSON.stringify(error.details)}`
  return fields
}

/** As `JSON.stringify`, which is only asked where something has to be escaped. */
export function jsonText(text: string): string {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || code === 0x22 || code === 0x5c || (code >= 0xd800 && code <= 0xdfff)) return JSON.stringify(text)
  }
  return `"${text}"`
}

/** Names of routes and cells: few, and the same ones again and again. */
const knownText = remember(jsonText, { entriesMax: 1_000, charsMax: 256 })

/** `.01` … `.99`, without zeros at the end: printing an integer is several times faster than printing a fraction. */
const FRACTIONS = Array.from({ length: 100 }, (_, hundredth) => String(hundredth / 100).slice(1))

/** Rounded to hundredths, as `String` would print it. */
export function hundredths(value: number): string {
  const all = Math.round(value * 100)
  const whole = Math.floor(all / 100)
  return `${whole}${FRACTIONS[all - whole * 100]}`
}

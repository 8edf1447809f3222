import { upstreamInvalid } from '../errors.ts'
import { dashedName, headerKind } from './names.ts'

export interface UpstreamHead {
  readonly statusCode: number
  /** Name, value, … without hop-by-hop and internal headers. */
  readonly headers: string[]
  /** 421 with the promise that nothing was done. */
  readonly notExecuted: boolean
  readonly eventStream: boolean
}

/** obs-text is allowed (RFC 9110 5.5); control characters would let an upstream write headers of its own. */
const VALUE_PATTERN = /^[\t\x20-\x7e\x80-\xff]*$/
const NAME_PATTERN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Filters what an instance answered.
 * @param raw name, value, … as bytes (latin1) from undici.
 * @throws GW_UPSTREAM_INVALID
 */
export function readUpstreamHead(statusCode: number, raw: readonly (Buffer | string)[], cell: string): UpstreamHead {
  if (statusCode < 200 || statusCode > 599) throw upstreamInvalid({ cell, rule: `status ${statusCode} was not asked for` })
  const headers: string[] = []
  let notExecuted = false
  let eventStream = false
  let coded = false
  let named: string[] | undefined
  for (let at = 0; at < raw.length; at += 2) {
    const name = latin1(raw[at])
    const value = latin1(raw[at + 1])
    if (!NAME_PATTERN.test(name) || !VALUE_PATTERN.test(value)) throw upstreamInvalid({ cell, rule: 'a header has a forbidden character' })
    const lower = name.toLowerCase()
    const kind = headerKind(dashedName(lower))
    if (kind === 'internal') {
      if (lower === 'x-cellway-not-executed' && value.trim() === '1') notExecuted = true
      continue
    }
    if (kind === 'hop') {
      if (lower === 'transfer-encoding' && (coded || value.trim().toLowerCase() !== 'chunked'))
        throw upstreamInvalid({ cell, rule: 'an unknown transfer coding' })
      if (lower === 'transfer-encoding') coded = true
      if (lower === 'connection')
        named = (named ?? []).concat(
          value
            .toLowerCase()
            .split(',')
            .map((token) => token.trim())
        )
      continue
    }
    if (lower === 'content-type') eventStream = value.startsWith('text/event-stream')
    headers.push(name, value)
  }
  return {
    statusCode,
    headers: named === undefined ? headers : withoutNamed(headers, named),
    notExecuted: notExecuted && statusCode === 421,
    eventStream
  }
}

function latin1(value: Buffer | string | undefined): string {
  return typeof value === 'string' ? value : (value?.toString('latin1') ?? '')
}

/** Never drops what frames or protects the answer, whatever the upstream names in `Connection`. */
const KEPT = new Set(['content-length', 'content-type', 'content-encoding', 'set-cookie', 'cache-control', 'date'])

function withoutNamed(headers: readonly string[], named: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const lower = (headers[at] ?? '').toLowerCase()
    if (KEPT.has(lower) || !named.includes(lower)) kept.push(headers[at] ?? '', headers[at + 1] ?? '')
  }
  return kept
}

/** A header block as it stood on the wire, with everything in it that a strict reader would not have sent. */
export interface Head {
  readonly startLine: string
  readonly headers: readonly HeaderField[]
  /** Bytes from the start up to and with the empty line. */
  readonly bytes: number
  readonly problems: readonly string[]
}

export type HeaderField = readonly [name: string, value: string]

/** More than any gateway of ours would let through; a head that is longer is a fault of its own. */
export const HEAD_BYTES_MAX = 1024 * 1024

export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Reads one header block from `from`; `undefined` while the empty line has not come.
 * It is lenient about where lines end, so that a bad block is still seen as a block, and notes every leniency as a problem.
 */
export function readHead(buffer: Buffer, from: number): Head | undefined {
  const lines: string[] = []
  const problems: string[] = []
  let at = from
  for (;;) {
    const end = buffer.indexOf(0x0a, at)
    if (end === -1) return undefined
    const hasCr = end > at && buffer[end - 1] === 0x0d
    if (!hasCr) problems.push('bare LF')
    const line = buffer.toString('latin1', at, hasCr ? end - 1 : end)
    at = end + 1
    if (line === '') break
    lines.push(line)
  }
  const [startLine = '', ...fieldLines] = lines
  if (startLine === '') problems.push('empty start line')
  problems.push(...controlProblems(startLine, 'start line'))
  const headers = fieldLines.map((line) => readField(line, problems))
  return { startLine, headers, bytes: at - from, problems }
}

export function allValues(headers: readonly HeaderField[], name: string): readonly string[] {
  return headers.filter(([candidate]) => candidate.toLowerCase() === name).map(([, value]) => value)
}

export function firstValue(headers: readonly HeaderField[], name: string): string | undefined {
  return allValues(headers, name)[0]
}

/** The name as a careless server (CGI, WSGI, some proxies) may read it. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/[_. ]/g, '-')
}

function readField(line: string, problems: string[]): HeaderField {
  if (/^[ \t]/.test(line)) problems.push('folded header line')
  problems.push(...controlProblems(line, 'header line'))
  const colon = line.indexOf(':')
  const name = colon === -1 ? line : line.slice(0, colon)
  if (colon === -1) problems.push('header line without colon')
  else if (!TOKEN.test(name)) problems.push(`header name is no token: ${JSON.stringify(name)}`)
  return [name, colon === -1 ? '' : line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
}

function controlProblems(text: string, where: string): readonly string[] {
  const found = /[\x00-\x08\x0a-\x1f\x7f]/.exec(text)
  return found ? [`control byte 0x${found[0].charCodeAt(0).toString(16)} in ${where}`] : []
}

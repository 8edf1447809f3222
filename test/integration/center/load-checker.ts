import { crc32 } from 'node:zlib'
import type { LogRecord } from '@cellway/log'

/** `checksum/number/…`: the records of one appender, numbered from 1; so that each tells whether it is whole and where it belongs. */
export function payloadOf(number: number, bytes: number): Buffer {
  const body = Buffer.from(`/${number}/${'x'.repeat(bytes)}`, 'latin1')
  return Buffer.concat([Buffer.from(String(crc32(body))), body])
}

/** What one stream must be: its appender's acknowledgements, by sequence, and what each reader got. */
export interface StreamHistory {
  readonly acknowledged: ReadonlyMap<number, number>
  /** Of each reader, in the order in which it got them. */
  readonly reads: ReadonlyMap<string, readonly SeenRecord[]>
}

export interface SeenRecord {
  readonly sequence: number
  /** -1: half a record. */
  readonly number: number
}

export function seen({ sequence, payload }: Pick<LogRecord, 'sequence' | 'payload'>): SeenRecord {
  const [checksum = '', number] = payload.toString('latin1', 0, 40).split('/', 2)
  const whole = Number(checksum) === crc32(payload.subarray(checksum.length))
  return { sequence, number: whole ? Number(number) : -1 }
}

/**
 * Every acknowledged record is read exactly once and in order by every reader. A record whose answer was lost may be there twice,
 * since its appender brings it again; but no record ever stands before one that its appender wrote earlier and nobody has seen yet.
 */
export function findProblems(stream: string, { acknowledged, reads }: StreamHistory): string[] {
  const problems: string[] = []
  for (const [reader, records] of reads) {
    const place = `${stream} as ${reader} read it`
    const bySequence = new Map(records.map(({ sequence, number }) => [sequence, number]))
    let newest = 0
    for (const [at, { sequence, number }] of records.entries()) {
      if (sequence !== at + 1) problems.push(`${place}: record ${sequence} in the place of ${at + 1}`)
      if (number === -1) problems.push(`${place}: half a record at ${sequence}`)
      if (number > newest + 1) problems.push(`${place}: number ${number} at ${sequence}, before ${newest + 1}`)
      newest = Math.max(newest, number)
      if (problems.length > 10) return problems
    }
    for (const [sequence, number] of acknowledged) {
      if (bySequence.get(sequence) !== number)
        problems.push(`${place}: ${bySequence.get(sequence) ?? 'nothing'} at ${sequence}, acknowledged as ${number}`)
      if (problems.length > 10) return problems
    }
  }
  return problems
}

import { count, duration, type Paint, plain, printable, table } from './text.ts'

/** As the center answers. */
export interface CenterStatus {
  readonly url: string
  readonly ready: boolean
  readonly reason?: string
  readonly streams: readonly CenterStream[]
}

export interface CenterStream {
  readonly stream: string
  readonly logId: string
  readonly first: number
  readonly next: number
  readonly epoch: number
  readonly bytes: number
  readonly retainers: readonly { readonly reader: string; readonly position: number; readonly lag: number }[]
  readonly reads: readonly { readonly reader: string; readonly next: number | null; readonly lag: number | null }[]
  readonly reports: readonly { readonly reader: string; readonly position: string; readonly ageMs: number }[]
}

export function renderCenter({ url, ready, reason, streams }: CenterStatus, paint: Paint = plain): string {
  const head = ready
    ? `${paint('green', '✓')} the center at ${url} takes records`
    : `${paint('red', '✗')} the center at ${url}: ${printable(reason ?? 'not ready')}`
  if (streams.length === 0) return `${head}\nno stream has been written yet`
  const rows = streams.map(({ stream, logId, epoch, first, next, bytes }) => [
    stream,
    logId.slice(0, 8),
    String(epoch),
    String(first),
    String(next),
    mebibytes(bytes)
  ])
  const parts = [head, table(STREAM_COLUMNS, rows, paint)]
  const readers = streams.flatMap(readersOf)
  if (readers.length > 0) parts.push(table(READER_COLUMNS, readers, paint))
  parts.push(paint('dim', count(streams.length, 'stream')))
  return parts.join('\n\n')
}

const STREAM_COLUMNS = [
  { title: 'STREAM' },
  { title: 'LOG' },
  { title: 'EPOCH', align: 'right' },
  { title: 'FIRST', align: 'right' },
  { title: 'NEXT', align: 'right' },
  { title: 'MIB', align: 'right' }
] as const
const READER_COLUMNS = [
  { title: 'STREAM' },
  { title: 'READER' },
  { title: 'BEHIND', align: 'right' },
  { title: 'HOLDS', align: 'right' },
  { title: 'HAS APPLIED' },
  { title: 'TOLD', align: 'right' }
] as const
const POSITION_CHARS_MAX = 48

/** One line per reader: how many records it has still to take, how many are kept for it, and what it says it has applied. */
function readersOf({ stream, retainers, reads, reports }: CenterStream): string[][] {
  const names = [...new Set([...retainers, ...reads, ...reports].map(({ reader }) => reader))].sort()
  return names.map((reader) => {
    const open = reads.filter((one) => one.reader === reader).map(({ lag }) => lag)
    const behind =
      open.length === 0 ? 'not reading' : open.some((lag) => lag === null) ? 'starting' : String(Math.max(...open.map((lag) => lag ?? 0)))
    const held = retainers.find((one) => one.reader === reader)
    const report = reports.find((one) => one.reader === reader)
    return [
      stream,
      printable(reader),
      behind,
      held === undefined ? '' : String(held.lag),
      report === undefined ? '' : shorten(printable(report.position)),
      report === undefined ? '' : `${duration(report.ageMs)} ago`
    ]
  })
}

function shorten(text: string): string {
  return text.length <= POSITION_CHARS_MAX ? text : `${text.slice(0, POSITION_CHARS_MAX - 1)}…`
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}

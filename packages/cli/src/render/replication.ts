import type { BootstrapProgress, ConflictDetails, ConflictRow, ReplicatorView, SchemaDifference, StreamView, Verification } from '@cellway/client'
import { bar, count, duration, type Paint, percent, plain, printable, table } from './text.ts'

const TONES = {
  running: 'green',
  starting: 'yellow',
  paused: 'yellow',
  restarting: 'red',
  parked: 'red',
  stopped: 'red',
  unknown: 'red'
} as const

/** One row per edge: how far behind, and in which stage the time goes. */
export function renderStreams(streams: readonly StreamView[], paint: Paint = plain): string {
  const rows = streams.map(({ from, to, state, lagMs, stages, transactions, conflicts }) => [
    `${from} → ${to}`,
    paint(TONES[state], state),
    ms(lagMs),
    ms(stages.captured),
    ms(stages.center),
    ms(stages.applied),
    transactions.toLocaleString('en-US'),
    String(conflicts)
  ])
  const columns = [
    { title: 'STREAM' },
    { title: 'STATE' },
    { title: 'LAG', align: 'right' },
    { title: 'TO CENTER', align: 'right' },
    { title: 'TO CELL', align: 'right' },
    { title: 'APPLY', align: 'right' },
    { title: 'TRANSACTIONS', align: 'right' },
    { title: 'CONFLICTS', align: 'right' }
  ] as const
  return table(columns, rows, paint)
}

export function renderReplicators(replicators: readonly ReplicatorView[], paint: Paint = plain): string {
  const rows = replicators.map(({ cell, member, phase, stale, server, rpo, capture, conflicts }) => [
    printable(member),
    cell,
    stale ? paint('red', 'silent') : paint(phase === 'running' ? 'green' : phase === 'blocked' ? 'red' : 'yellow', phase),
    printable(server ?? '-'),
    `rpo ${rpo}`,
    `captured ${capture.transactions.toLocaleString('en-US')}`,
    capture.spilledBytes > 0 ? paint('yellow', `spilled ${mebibytes(capture.spilledBytes)}`) : '',
    conflicts.parked > 0 ? paint('red', `${count(conflicts.parked, 'key')} parked`) : ''
  ])
  return table(
    ['REPLICATOR', 'CELL', 'STATE', 'STORE', '', '', '', ''].map((title) => ({ title })),
    rows,
    paint
  )
}

export function renderConflicts(conflicts: readonly ConflictRow[], open: number, paint: Paint = plain): string {
  if (conflicts.length === 0) return `${paint('green', '✓')} no conflict matches`
  const rows = conflicts.map(({ id, at, source, table: name, key, class: kind, policy, decision, resolution }) => [
    id,
    at.slice(0, 19),
    source,
    printable(name),
    printable(key).slice(0, 40),
    kind,
    policy,
    decision,
    resolution === null ? '' : printable(resolution)
  ])
  const columns = ['ID', 'AT', 'FROM', 'TABLE', 'KEY', 'CLASS', 'POLICY', 'DECISION', 'RESOLVED'].map((title) => ({ title }))
  return `${table(columns, rows, paint)}\n${paint('dim', `${count(open, 'conflict')} to decide`)}`
}

/** The three images side by side, one row per column; what differs is marked. */
export function renderConflict(conflict: ConflictDetails, paint: Paint = plain): string {
  const { id, class: kind, table: name, key, source, gtid, at, policy, decision, reemit, resolution, resolvedBy, resolvedAt } = conflict
  const facts = [
    `${paint('bold', `conflict ${id}`)}  ${kind} in ${printable(name)}, key ${printable(key)}`,
    `change of ${source}, transaction ${printable(gtid)}, ${at}`,
    `policy ${policy}: ${decision}${reemit === 'none' ? '' : `, sent to the other cells: ${reemit}`}`,
    ...(conflict.bucket === null
      ? []
      : [`bucket ${conflict.space}/${conflict.bucket}, epoch at the origin ${conflict.originEpoch ?? '?'}, here ${conflict.ownerEpoch ?? '?'}`]),
    ...(resolution === null ? [] : [`resolved: ${printable(resolution)} by ${printable(resolvedBy ?? '?')}, ${resolvedAt ?? ''}`])
  ]
  return `${facts.join('\n')}\n\n${renderImages(conflict, paint)}`
}

function renderImages({ before, after, current, result }: ConflictDetails, paint: Paint): string {
  const images = [before, after, current, result].map(columnsOf)
  const names = [...new Set(images.flatMap((image) => [...image.keys()]))]
  if (names.length === 0) return 'there are no images'
  const rows = names.map((name) => {
    const cells = images.map((image) => short(image.get(name) ?? '-'))
    const differs = new Set(cells.slice(0, 3)).size > 1
    return [differs ? paint('yellow', printable(name)) : printable(name), ...cells]
  })
  return table(
    ['COLUMN', 'BEFORE (origin)', 'AFTER (origin)', 'CURRENT (here)', 'RESULT'].map((title) => ({ title })),
    rows,
    paint
  )
}

const CELL_MAX = 40

function short(text: string): string {
  const shown = printable(text)
  return shown.length <= CELL_MAX ? shown : `${shown.slice(0, CELL_MAX)}…`
}

function columnsOf(image: string | null): ReadonlyMap<string, string> {
  if (image === null) return new Map()
  try {
    const value: unknown = JSON.parse(image)
    if (typeof value === 'object' && value !== null)
      return new Map(Object.entries(value).map(([name, cell]) => [name, typeof cell === 'string' ? cell : JSON.stringify(cell)]))
  } catch {
    // Shown as it is: an image that we cannot read is still evidence.
  }
  return new Map([['(row)', image]])
}

export function renderDifferences(differences: readonly (SchemaDifference & { readonly cell: string })[], paint: Paint = plain): string {
  return differences
    .map(
      ({ cell, table: name, problem, statement }) =>
        `${paint('red', '✗')} ${paint('bold', cell)}  ${printable(name)}: ${printable(problem)}\n  ${paint('dim', 'run there')}  ${printable(statement)}`
    )
    .join('\n')
}

export function renderVerification({ state, tables, differences, error, from }: Verification, paint: Paint = plain): string {
  if (tables.length === 0 && error === null)
    return state === 'idle' ? 'nothing was verified since the replicator started' : `verification is ${state}`
  const rows = tables.map(({ table: name, from: other, rows: compared, differences: found, repaired, state: how }) => [
    printable(name),
    other,
    compared.toLocaleString('en-US'),
    found === 0 ? paint('green', '0') : paint('red', String(found)),
    String(repaired),
    how
  ])
  const columns = [
    { title: 'TABLE' },
    { title: 'AGAINST' },
    { title: 'ROWS', align: 'right' },
    { title: 'DIFFERENT', align: 'right' },
    { title: 'REPAIRED', align: 'right' },
    { title: 'STATE' }
  ] as const
  const listed = differences.map(({ table: name, key, kind }) => `${paint('red', '✗')} ${printable(name)} ${printable(key)}: ${kind}`)
  const failed = error === null ? [] : [`${paint('red', '✗')} ${error.message} (${error.code})`]
  const title = from === null ? [] : [`against ${from}: ${state}`]
  return [...title, ...(rows.length === 0 ? [] : [table(columns, rows, paint)]), ...listed, ...failed].join('\n')
}

const BAR_COLUMNS = 24

/** One line: `bootstrap  ███░░  41.2 %  shop.orders  12,000 rows/s  eta 1 m 40 s`. */
export function progressText(
  what: string,
  { share, rowsPerSecond, etaMs, state }: Pick<BootstrapProgress, 'share' | 'rowsPerSecond' | 'etaMs' | 'state'>,
  now: string
): string {
  const parts = [
    what,
    share === null ? state : `${bar(share, BAR_COLUMNS)} ${percent(share)}`,
    now,
    rowsPerSecond === null ? '' : `${Math.round(rowsPerSecond).toLocaleString('en-US')} rows/s`,
    etaMs === null ? '' : `eta ${duration(etaMs)}`
  ]
  return parts.filter((part) => part !== '').join('  ')
}

export function renderBootstrap(
  { phase, state, from, table, tablesDone, tablesTotal, rowsDone, rowsEstimated, reason }: BootstrapProgress,
  paint: Paint = plain
): string {
  const title = `bootstrap${from === null ? '' : ` from ${from}`}: ${state === 'failed' ? paint('red', phase) : phase}`
  if (phase === 'idle') return title
  const facts = [
    `${tablesDone} of ${count(tablesTotal, 'table')} exact`,
    `${rowsDone.toLocaleString('en-US')} of about ${rowsEstimated.toLocaleString('en-US')} rows`,
    ...(table === null ? [] : [`now ${printable(table)}`]),
    ...(reason === null ? [] : [printable(reason)])
  ]
  return `${title}\n${facts.map((fact) => `  ${fact}`).join('\n')}`
}

function ms(value: number | null): string {
  if (value === null) return '-'
  return value < 100 ? `${value.toFixed(1)} ms` : duration(value)
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

/** The page a newcomer reads when everything runs, and the one when something went wrong. Pure: data in, text out. */
import { relative } from 'node:path'
import { isCellwayError } from '@cellway/base'
import { type Palette, seconds, table } from './console.ts'
import { filesOf, type RunLayout } from './layout.ts'

export interface ReadyPage {
  readonly layout: RunLayout
  /** Per cell, its share of the buckets of the space `users`, 0 to 1. */
  readonly shares: Readonly<Record<string, number>>
  readonly tookMs: number
  readonly detached: boolean
}

const HOST = '127.0.0.1'

export function readyPage({ layout, shares, tookMs, detached }: ReadyPage, paint: Palette): string {
  const files = filesOf(layout)
  const rows = layout.cells.map(({ name, ports }) => [
    name,
    `${((shares[name] ?? 0) * 100).toFixed(1)} %`,
    `http://${HOST}:${ports.gateway}`,
    ports.apps.join(' '),
    String(ports.mysql),
    String(ports.redis)
  ])
  const count = layout.cells.length === 1 ? '1 cell runs' : `${layout.cells.length} cells run`
  return `
${paint.bold(`${count} on this machine`)}, ready after ${seconds(tookMs).trim()}.

${table([['cell', 'users', 'gateway', 'application', 'MySQL', 'Redis'], ...rows], paint)}

  control ${paint.cyan(`http://${HOST}:${layout.control.port}`)}   center ${paint.cyan(`http://${HOST}:${layout.center.port}`)}   endpoints and passwords ${near(files.localJson)}   topology ${near(files.topology)}

${paint.bold('Three things to try')} ${paint.dim('(in another terminal)')}

${tries(layout, paint)}

${detached ? `Stop with: ${paint.bold(`npm run stop${portOption(layout)}`)}` : `Stop with ${paint.bold('Ctrl-C')}.`} Logs: ${near(files.logs)}/
`
}

/** What happened, whose log says more, what to do. */
export function errorPage(error: unknown, paint: Palette): string {
  if (!isCellwayError(error))
    return `${paint.red('Cellway could not start:')} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`
  const { fix, tail, log, output, ...details } = error.details
  const lines = Object.entries(details).flatMap(([name, value]) => detailLines(name, value))
  return [
    `${paint.red(`${error.message}.`)} ${paint.dim(error.code)}`,
    ...lines,
    ...quoted('output', output),
    ...quoted(`end of ${String(log)}`, tail),
    ...(typeof fix === 'string' ? ['', `  ${paint.bold('What to do:')} ${fix}`] : []),
    ''
  ].join('\n')
}

function tries(layout: RunLayout, paint: Palette): string {
  const [first, second = first] = layout.cells
  if (first === undefined || second === undefined) return ''
  const option = layout.basePort === 7000 ? '' : ` --local ${near(filesOf(layout).localJson)}`
  return `  1. Write user 42 at one gateway and read it at another: the same cell answers both ("servedBy"), and every cell has the row.
     ${paint.cyan(`curl -s -X PUT http://${HOST}:${first.ports.gateway}/api/users/42 -H 'content-type: application/json' -d '{"name":"Lin"}'`)}
     ${paint.cyan(`curl -s http://${HOST}:${second.ports.gateway}/api/users/42`)}
  2. Ask why: which rule, which key, which bucket, which owner.
     ${paint.cyan(`npm run -s cellway -- route explain --url /api/users/42${option}`)}
  3. See cells, shares, members, and how far each cell is behind each other one.
     ${paint.cyan(`npm run -s cellway -- status${option}`)}`
}

/** As one would type it here; an absolute path where the relative one climbs. */
function near(file: string): string {
  const path = relative(process.cwd(), file)
  return path.startsWith('..') ? file : path
}

function portOption({ basePort }: RunLayout): string {
  return basePort === 7000 ? '' : ` -- --base-port ${basePort}`
}

function detailLines(name: string, value: unknown): string[] {
  if (Array.isArray(value)) return value.map((item) => `  ${typeof item === 'string' ? item : JSON.stringify(item)}`)
  return value === '' || value === undefined ? [] : [`  ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`]
}

function quoted(title: string, text: unknown): string[] {
  if (typeof text !== 'string' || text === '') return []
  return [`  ${title}:`, ...text.split('\n').map((line) => `    | ${line}`)]
}

import type { Alarm, CellRow, MemberRow, SpaceRow, StatusView } from '../status-view.ts'
import { renderReplicators, renderStreams } from './replication.ts'
import { bar, count, duration, indent, type Paint, percent, plain, printable, table } from './text.ts'

/** The whole page: what is wrong first, then who owns how much, then who has adopted what. */
export function renderStatus(view: StatusView, paint: Paint = plain): string {
  const { control, cells, spaces, members, replicators, streams } = view
  const heading = `${paint('bold', 'control')}  ${control.url}  version ${control.version}${control.checksum === null ? '' : paint('dim', `  ${control.checksum.slice(0, 12)}`)}`
  const sections = [renderAlarms(view, paint), heading]
  if (cells.length > 0) sections.push(renderCells(cells, paint), spaces.map((space) => renderSpace(space, paint)).join('\n\n'))
  sections.push(renderMembers(members, paint))
  if (replicators.length > 0) sections.push(renderReplicators(replicators, paint))
  if (streams.length > 0) sections.push(renderStreams(streams, paint))
  return sections.join('\n\n')
}

/** One line that says it all, for `--watch`. */
export function statusLine({ control, alarms, members, streams }: StatusView): string {
  const current = members.filter(({ state }) => state === 'current').length
  const problems = alarms.filter(({ severity }) => severity === 'problem').length
  const lags = streams.flatMap(({ lagMs }) => (lagMs === null ? [] : [lagMs]))
  const lag = lags.length === 0 ? '' : `  lag ${duration(Math.max(...lags))}`
  return `version ${control.version}  adopted ${current}/${members.length}${lag}  ${problems === 0 ? 'all well' : count(problems, 'problem')}`
}

function renderAlarms({ alarms, members, cells }: StatusView, paint: Paint): string {
  if (alarms.length === 0) {
    return `${paint('green', '✓')} all well: ${count(cells.length, 'cell')}, ${count(members.length, 'process').replace('processs', 'processes')} on the newest version`
  }
  return alarms.map((alarm) => `${mark(alarm, paint)} ${printable(alarm.what)}\n  ${paint('dim', '→')} ${alarm.todo}`).join('\n')
}

function mark({ severity }: Alarm, paint: Paint): string {
  return severity === 'problem' ? paint('red', '✗') : paint('yellow', '!')
}

function renderCells(cells: readonly CellRow[], paint: Paint): string {
  const rows = cells.map(({ cell, role, region, weight, gateways, gatewaysCurrent }) => [
    cell,
    role,
    region,
    String(weight),
    `${gatewaysCurrent}/${gateways}`
  ])
  const columns = [
    { title: 'CELL' },
    { title: 'ROLE' },
    { title: 'REGION' },
    { title: 'WEIGHT', align: 'right' },
    { title: 'GATEWAYS', align: 'right' }
  ] as const
  return table(columns, rows, paint)
}

const BAR_COLUMNS = 24

function renderSpace({ space, kind, buckets, pins, moving, frozen, shares }: SpaceRow, paint: Paint): string {
  const facts = [
    kind,
    kind === 'single' ? '' : count(buckets, 'bucket'),
    pins > 0 ? count(pins, 'pin') : '',
    moving > 0 ? `${moving} moving` : '',
    frozen > 0 ? `${frozen} frozen` : ''
  ]
  const title = `${paint('bold', space)}  ${paint('dim', facts.filter((fact) => fact !== '').join(', '))}`
  if (kind === 'single') return `${title}  written by ${shares.find((share) => share.buckets > 0)?.cell ?? 'nobody'}`
  const rows = shares.map(({ cell, buckets: own, share, byWeight }) => [
    cell,
    bar(share, BAR_COLUMNS),
    String(own),
    percent(share),
    kind === 'hash' ? paint('dim', `${percent(byWeight)} by weight`) : ''
  ])
  return `${title}\n${indent(headless(rows))}`
}

function headless(rows: readonly (readonly string[])[]): string {
  const columns = [{ title: '' }, { title: '' }, { title: '', align: 'right' }, { title: '', align: 'right' }, { title: '', align: 'right' }] as const
  return table(columns, rows).split('\n').slice(1).join('\n')
}

function renderMembers(members: readonly MemberRow[], paint: Paint): string {
  if (members.length === 0) return 'no gateway has connected yet'
  const rows = members.map(({ member, kind, cell, version, lag, state, sinceMs, lastSeenMs }) => [
    printable(member),
    kind,
    cell,
    version === null ? '-' : String(version),
    lag === null ? '-' : String(lag),
    paint(TONES[state], state),
    state === 'gone' ? `last seen ${duration(lastSeenMs)} ago` : sinceMs === null ? '' : `for ${duration(sinceMs)}`
  ])
  const columns = [
    { title: 'MEMBER' },
    { title: 'KIND' },
    { title: 'CELL' },
    { title: 'VERSION', align: 'right' },
    { title: 'LAG', align: 'right' },
    { title: 'STATE' },
    { title: '' }
  ] as const
  return table(columns, rows, paint)
}

const TONES = { current: 'green', joining: 'yellow', lagging: 'yellow', ahead: 'red', diverged: 'red', gone: 'red' } as const

import type { AuditRecord, TokenView } from '@cellway/client'
import { count, type Paint, plain, printable, table } from './text.ts'

export function renderAudit(records: readonly AuditRecord[], paint: Paint = plain): string {
  if (records.length === 0) return 'the audit log is empty'
  const columns = [
    { title: 'SEQ', align: 'right' },
    { title: 'TIME' },
    { title: 'WHO' },
    { title: 'ACTION' },
    { title: 'OUTCOME' },
    { title: 'TARGET' },
    { title: 'REASON' }
  ] as const
  return table(
    columns,
    records.map((record) => auditRow(record, paint)),
    paint
  )
}

/** For following: the same facts without a header, since the widths of what comes are not known. */
export function auditLine(record: AuditRecord, paint: Paint = plain): string {
  return auditRow(record, paint)
    .filter((cell) => cell !== '')
    .join('  ')
}

function auditRow({ seq, at, actor, action, outcome, target, reason }: AuditRecord, paint: Paint): readonly string[] {
  const who = actor.kind === 'system' ? 'system' : `${actor.name} (${actor.role})`
  const result = outcome === 'refused' ? paint('red', outcome) : outcome
  return [String(seq), at, printable(who), action, result, printable(target ?? ''), printable(reason ?? '')]
}

export function renderTokens(tokens: readonly TokenView[], paint: Paint = plain): string {
  const columns = [{ title: 'ID' }, { title: 'NAME' }, { title: 'ROLE' }, { title: 'CELL' }, { title: 'CREATED' }, { title: 'EXPIRES' }] as const
  const rows = tokens.map(({ id, name, role, cell, createdAt, expiresAt }) => [
    id,
    printable(name),
    role,
    cell ?? '',
    createdAt,
    expiresAt ?? 'never'
  ])
  return `${table(columns, rows, paint)}\n${paint('dim', count(tokens.length, 'token'))}`
}

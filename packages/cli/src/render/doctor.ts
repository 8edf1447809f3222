import type { Finding } from '../doctor/finding.ts'
import { count, displayWidth, type Paint, padEnd, plain, printable } from './text.ts'

/** What fails first, each with what mends it; what is well afterwards, one line per subject. */
export function renderFindings(findings: readonly Finding[], paint: Paint = plain): string {
  const ill = ORDER.flatMap((verdict) => findings.filter((finding) => finding.verdict === verdict))
  const well = findings.filter(({ verdict }) => verdict === 'ok')
  const parts = [...ill.map((finding) => renderIll(finding, paint)), ...(well.length > 0 ? [renderWell(well, paint)] : []), summary(findings, paint)]
  return parts.join('\n\n')
}

const ORDER = ['fail', 'unknown', 'warn'] as const
const MARKS = { fail: ['red', '✗'], unknown: ['yellow', '?'], warn: ['yellow', '!'], ok: ['green', '✓'] } as const

function renderIll({ subject, check, verdict, measured, wanted, fix }: Finding, paint: Paint): string {
  const [tone, sign] = MARKS[verdict]
  return [
    `${paint(tone, sign)} ${paint('bold', subject)}  ${check}: ${printable(measured)}`,
    ...(wanted === '' ? [] : [`  ${paint('dim', 'wanted')}  ${wanted}`]),
    ...fix.map((line, at) => `  ${paint('dim', at === 0 ? 'fix   ' : '      ')}  ${printable(line)}`)
  ].join('\n')
}

function renderWell(findings: readonly Finding[], paint: Paint): string {
  const bySubject = Map.groupBy(findings, ({ subject }) => subject)
  const width = Math.max(...[...bySubject.keys()].map(displayWidth))
  const [tone, sign] = MARKS.ok
  return [...bySubject]
    .map(
      ([subject, all]) =>
        `${paint(tone, sign)} ${padEnd(subject, width)}  ${paint('dim', all.map(({ check, measured }) => printable(measured === '' ? check : `${check}: ${measured}`)).join(' · '))}`
    )
    .join('\n')
}

function summary(findings: readonly Finding[], paint: Paint): string {
  const amount = (verdict: Finding['verdict']): number => findings.filter((finding) => finding.verdict === verdict).length
  const failed = amount('fail')
  const text = [
    `${count(findings.length, 'check')}`,
    `${amount('ok')} ok`,
    `${failed} failed`,
    `${amount('warn')} to look at`,
    `${amount('unknown')} unknown`
  ].join(', ')
  return failed > 0 ? paint('red', text) : text
}

import type { Problem } from '@cellway/topology'
import { count, displayWidth, type Paint, padEnd, plain, printable } from './text.ts'

/** Every problem with its path, what is wrong, and how to mend it, aligned. */
export function renderProblems(file: string, problems: readonly Problem[], paint: Paint = plain): string {
  const lines = problems.flatMap(({ path, problem, fix }) => block({ path, problem, fix, width: widest(problems), paint }))
  return [`${paint('red', '✗')} ${printable(file)}: ${count(problems.length, 'problem')}`, '', ...lines].join('\n')
}

/** Things that are allowed and probably not meant. */
export function renderWarnings(warnings: readonly Problem[], paint: Paint = plain): string {
  const lines = warnings.flatMap(({ path, problem, fix }) => block({ path, problem, fix, width: widest(warnings), paint }))
  return [`${paint('yellow', '!')} ${count(warnings.length, 'warning')}`, '', ...lines].join('\n')
}

/** A path longer than this gets a line of its own instead of pushing every text to the right. */
const PATH_COLUMNS_MAX = 32

function widest(problems: readonly Problem[]): number {
  return Math.min(PATH_COLUMNS_MAX, Math.max(4, ...problems.map(({ path }) => displayWidth(printable(path || '(file)')))))
}

function block({ path, problem, fix, width, paint }: Problem & { width: number; paint: Paint }): string[] {
  const where = printable(path || '(file)')
  const rest = ' '.repeat(width)
  const fixLine = `  ${rest}  ${paint('dim', 'fix')} ${printable(fix)}`
  if (displayWidth(where) > width) return [`  ${paint('bold', where)}`, `  ${rest}  ${printable(problem)}`, fixLine]
  return [`  ${paint('bold', padEnd(where, width))}  ${printable(problem)}`, fixLine]
}

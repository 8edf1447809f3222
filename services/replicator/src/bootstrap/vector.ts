import { comparePositions, type Position, parsePosition } from '@cellway/change'
import { historyForked } from './errors.ts'

/** Cell → position of its stream, in the coordinates of that cell's store. */
export type Vector = Readonly<Record<string, string>>

/** The texts of the two flavours cannot be mistaken for each other: only MySQL's hold a colon. */
export function positionOfText(text: string): Position {
  return parsePosition(text.includes(':') ? 'mysql' : 'mariadb', text)
}

/** Everything of `lower` is in `upper`. @throws BOO_HISTORY_FORKED */
export function isIncluded(cell: string, lower: string, upper: string): boolean {
  if (lower === '' || lower === upper) return true
  if (upper === '') return false
  const order = comparePositions(positionOfText(lower), positionOfText(upper))
  if (order === 'incomparable') throw historyForked({ cell, here: lower, there: upper })
  return order === 'before' || order === 'equal'
}

/** The cells of which `lower` has something that `upper` has not. @throws BOO_HISTORY_FORKED */
export function missingCells(lower: Vector, upper: Vector): string[] {
  return Object.keys(lower).filter((cell) => !isIncluded(cell, lower[cell] ?? '', upper[cell] ?? ''))
}

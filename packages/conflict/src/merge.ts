import type { Row } from '@cellway/change'
import type { DecideInput } from './decide.ts'

/**
 * The current row with the columns that only the change has changed. Where both did, the arbiter's stays.
 * undefined: the images cannot be merged (an insert meets a row, a delete meets a changed one, the row is gone).
 */
export function mergeColumns({ before, after, current, isSame }: DecideInput): Row | undefined {
  if (before === undefined || after === undefined || current === undefined) return undefined
  return current.map((value, column) => {
    const [old, fresh] = [before[column], after[column]]
    // Absent from an image: it says nothing of this column.
    if (fresh === undefined || old === undefined || isSame(column, old, fresh)) return value
    return isSame(column, old, value) ? fresh : value
  })
}

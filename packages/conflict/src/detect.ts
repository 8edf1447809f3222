import type { Row } from '@cellway/change'
import type { Detected } from './classes.ts'

/** A change of one row and the row as it is here. `undefined` is no row. A change of the key is two: a delete and an insert. */
export interface RowMeeting {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly before: Row | undefined
  readonly after: Row | undefined
  readonly current: Row | undefined
}

/** Whether two images are the same row by the rules of their table; absent columns are not compared. */
export type RowsEqual = (left: Row, right: Row) => boolean

/** Compares images, nothing else: who may write the row is for `decide`. @throws never */
export function detect({ kind, before, after, current }: RowMeeting, rowsEqual: RowsEqual): Detected {
  switch (kind) {
    case 'insert':
      if (current === undefined) return 'clean'
      return after !== undefined && rowsEqual(after, current) ? 'same-result' : 'insert_insert'
    case 'update':
      if (current === undefined) return 'update_delete'
      if (before !== undefined && rowsEqual(before, current)) return 'clean'
      return after !== undefined && rowsEqual(after, current) ? 'same-result' : 'update_update'
    case 'delete':
      if (current === undefined) return 'delete_delete'
      return before !== undefined && rowsEqual(before, current) ? 'clean' : 'delete_update'
  }
}

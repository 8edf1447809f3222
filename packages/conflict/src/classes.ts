/**
 * What a change met. The first word of a pair is the change that came, the second what was done here: `update_delete` is an
 * update of a row that is gone here.
 */
export const CONFLICT_CLASSES = [
  'insert_insert',
  'update_update',
  'update_delete',
  'delete_update',
  'delete_delete',
  'unique_clash',
  'foreign_owner',
  'late',
  'schema_drift'
] as const

export type ConflictClass = (typeof CONFLICT_CLASSES)[number]

/** What the images alone tell: `clean`, the row is as the change found it; `same-result`, it is already as the change leaves it. */
export type Detected = 'clean' | 'same-result' | Exclude<ConflictClass, 'unique_clash' | 'foreign_owner' | 'late' | 'schema_drift'>

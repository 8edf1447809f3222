import { type FilePosition, formatGtid, type Gtid } from '@cellway/mysql-binlog'
import type { SourcePlace } from './errors.ts'

export const SKIP_FIX =
  'To go on without this transaction: skip its GTID by command (it is written down), then compare and repair the rows it touched (cellway verify --repair)'

export function placeOf({ position, gtid }: { readonly position: FilePosition; readonly gtid?: Gtid | undefined }): SourcePlace {
  return { file: position.file, offset: position.offset?.toString() ?? '', gtid: gtid === undefined ? '' : formatGtid(gtid) }
}

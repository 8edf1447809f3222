/** Places of this server in its own binary log, bound to what a snapshot can see. */
import { advancePosition, formatPosition, parseMariadbGtid, parsePosition } from '@cellway/change'
import { quoteText } from '@cellway/mysql-value'
import type { Session } from '../store/session.ts'
import type { Vector } from './vector.ts'

const MARK = 'UPDATE cellway.snapshot_mark SET number = number + 1 WHERE id = 1'

/** Where the binary log is now. More may be in it than is visible. */
export async function binlogPosition(session: Session): Promise<string> {
  const variable = session.flavour === 'mariadb' ? '@@global.gtid_binlog_pos' : '@@global.gtid_executed'
  const [row] = await session.rows(`SELECT ${variable}`)
  const text = row?.[0]?.toString() ?? ''
  return formatPosition(parsePosition(session.flavour, text))
}

/**
 * A place such that everything up to it is visible to every snapshot taken from now on. Servers commit in the order of their binary
 * log, so once the mark is committed all that stands before it is. MariaDB writes its GTID before the commit is visible, so there only
 * the mark's own GTID may be trusted; MySQL adds to gtid_executed after the commit.
 */
export async function lowMark(session: Session): Promise<string> {
  if (session.flavour === 'mysql') {
    await session.run(MARK)
    return binlogPosition(session)
  }
  const before = parsePosition('mariadb', await binlogPosition(session))
  await session.run(MARK)
  const [row] = await session.rows('SELECT @@last_gtid')
  return formatPosition(advancePosition(before, parseMariadbGtid(row?.[0]?.toString() ?? '')))
}

/** A place behind everything that any snapshot taken until now can see. */
export async function highMark(session: Session): Promise<string> {
  await session.run(MARK)
  return binlogPosition(session)
}

/** How far this cell has applied the others, as a snapshot of the session sees it: exactly what its rows contain of them. */
export async function appliedVector(session: Session, store: string): Promise<Vector> {
  const rows = await session.rows(`SELECT source_cell, position FROM cellway.checkpoint WHERE store = ${quoteText(store)}`)
  return Object.fromEntries(rows.map(([cell, position]) => [cell?.toString() ?? '', position?.toString() ?? '']))
}

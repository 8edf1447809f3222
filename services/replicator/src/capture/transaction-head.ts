import { formatPosition, type Position, positionIncludes, type TransactionHead, type TransactionId } from '@cellway/change'
import type { Gtid } from '@cellway/mysql-binlog'
import { gtidMissing, gtidOrder } from './errors.ts'
import { placeOf } from './places.ts'
import type { Begin } from './verdict.ts'

const ORDER_FIX = 'Set gtid_strict_mode = 1 on the source; nobody may set gtid_seq_no below the newest. Then bootstrap this cell in the others'

/** Of the next transaction behind a position. @throws CAP_GTID_MISSING, CAP_GTID_ORDER */
export function headOf(begin: Begin, position: Position): TransactionHead {
  const id = transactionId(begin)
  if (positionIncludes(position, id)) throw gtidOrder({ ...placeOf(begin), position: formatPosition(position), fix: ORDER_FIX })
  const { event, serverId } = begin
  const committed = event.originCommittedAtUs ?? event.committedAtUs
  const commitTimeUs = committed === undefined ? event.header.timestamp * 1_000_000 : Number(committed)
  return { id, commitTimeUs, originServerId: serverId }
}

function transactionId(begin: Begin): TransactionId {
  const gtid: Gtid = begin.gtid
  if (gtid.flavour === 'mariadb') return { kind: 'mariadb-gtid', domain: gtid.domain, server: gtid.server, sequence: gtid.sequence }
  if (gtid.flavour === 'mysql') return { kind: 'mysql-gtid', uuid: gtid.source, tag: gtid.tag, number: gtid.number }
  throw gtidMissing({ ...placeOf(begin), fix: 'Set gtid_mode = ON on the source, step by step as the manual of MySQL says' })
}

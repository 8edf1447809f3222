import { fencedByReader, positionLost, sourceBehind, sourceLost, sourceRefused } from './errors.ts'

const ER_MASTER_FATAL = 1236
const ER_CONNECTION_KILLED = 1927
const ER_SERVER_SHUTDOWN = 1053

export const BOOTSTRAP_FIX =
  'Bootstrap the tables of this cell again in every other cell (cellway cell bootstrap), and keep binlogs longer (binlog_expire_logs_seconds)'
export const BEHIND_FIX =
  'Compare the rows of this cell with the others (cellway verify), repair what differs, and then force the capture to start at the current position'

/** What an error packet of the dump means. The texts are the servers' own; both flavours and their older spellings. */
export function serverError(packet: Buffer, position: string): Error {
  const errno = packet.readUInt16LE(1)
  const problem = packet.toString('utf8', packet[3] === 0x23 ? 9 : 3)
  if (errno === ER_CONNECTION_KILLED || errno === ER_SERVER_SHUTDOWN) return sourceLost({ problem })
  // 1236, and 4052 on MariaDB.
  if (/same server_(?:uu)?id/i.test(problem)) return fencedByReader({ serverId: 0, problem })
  if (errno !== ER_MASTER_FATAL) return sourceRefused({ errno, problem, position })
  if (/purged|could not find gtid state|could not find first log/i.test(problem)) {
    return positionLost({ position, purged: problem, fix: BOOTSTRAP_FIX })
  }
  if (/not in the master's binlog|is missing the gtid|has more gtids than/i.test(problem)) {
    return sourceBehind({ position, sourcePosition: problem, fix: BEHIND_FIX })
  }
  return sourceRefused({ errno, problem, position })
}

import { parsePosition } from '@cellway/change'
import { BinlogDecoder, formatGtidSet } from '@cellway/mysql-binlog'
import t from 'tap'
import { encodeGtidSet, mariadbDumpPacket, readerServerId, readerUuid, semiSyncReply } from './dump-packets.ts'
import { serverError } from './source-errors.ts'

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const B = '4e11fa47-71ca-11e1-9e33-c80aa9429562'

t.test('GTID sets are written as the server writes them in its PREVIOUS_GTIDS event', async (t) => {
  for (const text of ['', `${A}:1-5`, `${A}:1-5:7:9-12,${B}:3`, `${A}:1-5:blue:2:4-6,${B}:3`, `${A}:green:1,${B}:9223372036854775806`]) {
    const position = parsePosition('mysql', text)
    if (position.kind !== 'mysql') throw new Error('not of MySQL')
    t.same(parsePosition('mysql', readBack(encodeGtidSet(position))), position, text || 'the empty set')
  }
})

/** By the decoder of the event that carries the same bytes. */
function readBack(set: Buffer): string {
  const header = Buffer.alloc(19)
  header[4] = 35
  header.writeUInt32LE(19 + set.length, 9)
  const event = new BinlogDecoder({ flavour: 'mysql' }).decode(Buffer.concat([header, set]))
  return event.kind === 'previous-gtids' ? formatGtidSet(event.entries) : event.kind
}

t.test('packets', async (t) => {
  t.equal(mariadbDumpPacket(readerServerId(3)).toString('hex'), '0b00000012040000000200030961f4')
  t.equal(semiSyncReply('bin.000001', 0x1234n).toString('hex'), `13000000ef3412000000000000${Buffer.from('bin.000001').toString('hex')}`)
  t.match(readerUuid('beijing'), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  t.not(readerUuid('beijing'), readerUuid('shanghai'))
})

const ERRORS: readonly [errno: number, text: string, code: string][] = [
  [1236, 'Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old', 'CAP_POSITION_LOST'],
  [1236, 'Cannot replicate because the source purged required binary logs. Replicate the missing transactions from elsewhere', 'CAP_POSITION_LOST'],
  [1236, "Error: connecting slave requested to start from GTID 0-1-9, which is not in the master's binlog", 'CAP_SOURCE_BEHIND'],
  [1236, "Slave has more GTIDs than the master has, using the master's SERVER_UUID", 'CAP_SOURCE_BEHIND'],
  [1236, 'A replica with the same server_uuid/server_id as this replica has connected to the source', 'CAP_FENCED_BY_READER'],
  [4052, 'A slave with the same server_uuid/server_id is already connected', 'CAP_FENCED_BY_READER'],
  [1227, 'Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) for this operation', 'CAP_SOURCE_REFUSED'],
  [1927, 'Connection was killed', 'CAP_SOURCE_LOST'],
  [1236, 'Client requested master to start replication from impossible position', 'CAP_SOURCE_REFUSED']
]

t.test('errors of the dump, by what they mean', async (t) => {
  for (const [errno, text, code] of ERRORS) {
    const head = Buffer.from([0xff, errno & 0xff, errno >> 8])
    t.match(serverError(Buffer.concat([head, Buffer.from(`#HY000${text}`)]), '0-1-2'), { code }, text)
    t.match(serverError(Buffer.concat([head, Buffer.from(text)]), '0-1-2'), { code }, `${text}, without a state`)
  }
})

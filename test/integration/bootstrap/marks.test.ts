/** What the argument rests on: a snapshot contains everything up to its low mark and nothing behind its high mark, under writes. */
import { parseMariadbGtid, parseMysqlGtid, positionIncludes } from '@cellway/change'
import t, { type Test } from 'tap'
import { highMark, lowMark } from '../../../services/replicator/src/bootstrap/own-position.ts'
import { ensureBootstrapSchema } from '../../../services/replicator/src/bootstrap/schema.ts'
import { positionOfText } from '../../../services/replicator/src/bootstrap/vector.ts'
import { ensureSchema } from '../../../services/replicator/src/store/schema.ts'
import type { Session } from '../../../services/replicator/src/store/session.ts'
import { startMysql9 } from '../mysql9.ts'
import { startMariadb } from '../servers.ts'
import { type Server, sessionOn } from './cells.ts'

t.setTimeout(120_000)

const WRITERS = 3
const SNAPSHOTS = 60

interface CountingWriter {
  /** GTIDs of the commits that made the counter 1, 2, 3, … */
  readonly gtids: string[]
  stop(): Promise<void>
}

/** Counts up a row of its own, and knows the GTID of each count. */
function startCounting(session: Session, id: number): CountingWriter {
  const gtids: string[] = []
  const uuid = `0000000${id}-0000-0000-0000-000000000001`
  let stopped = false
  const next = async (): Promise<string> => {
    const update = `UPDATE shop.counters SET n = n + 1 WHERE id = ${id}`
    if (session.flavour === 'mariadb') {
      const [, last] = await session.run(`${update}; SELECT @@last_gtid`)
      return last?.rows[0]?.[0]?.toString() ?? ''
    }
    const gtid = `${uuid}:${gtids.length + 1}`
    await session.run(`SET gtid_next = '${gtid}'; ${update}; SET gtid_next = 'AUTOMATIC'`)
    return gtid
  }
  const running = (async () => {
    while (!stopped) gtids.push(await next())
  })()
  return {
    gtids,
    stop: async () => {
      stopped = true
      await running
    }
  }
}

async function provesMarks(t: Test, server: Server): Promise<void> {
  await using main = await sessionOn(server)
  await using marks = await sessionOn(server)
  await ensureSchema(main)
  await ensureBootstrapSchema(main)
  await main.run('CREATE DATABASE shop; CREATE TABLE shop.counters (id INT PRIMARY KEY, n INT NOT NULL)')
  await main.run(`INSERT INTO shop.counters VALUES ${Array.from({ length: WRITERS }, (_, id) => `(${id}, 0)`).join(', ')}`)
  const sessions = await Promise.all(Array.from({ length: WRITERS }, () => sessionOn(server)))
  const writers = sessions.map((session, id) => startCounting(session, id))
  const seen: { low: string; high: string; counts: number[] }[] = []
  for (let at = 0; at < SNAPSHOTS; at += 1) {
    const low = await lowMark(marks)
    await main.run('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
    const high = await highMark(marks)
    const rows = await main.rows('SELECT n FROM shop.counters ORDER BY id')
    await main.run('ROLLBACK')
    seen.push({ low, high, counts: rows.map(([n]) => Number(n?.toString())) })
  }
  for (const writer of writers) await writer.stop()
  for (const session of sessions) await session.close()
  const includes = (position: string, gtid: string): boolean =>
    positionIncludes(positionOfText(position), gtid.includes(':') ? parseMysqlGtid(gtid) : parseMariadbGtid(gtid))
  let [missing, tooNew, within] = [0, 0, 0]
  for (const { low, high, counts } of seen) {
    for (const [id, count] of counts.entries()) {
      const newest = writers[id]?.gtids[count - 1]
      const next = writers[id]?.gtids[count]
      if (next !== undefined && includes(low, next)) missing += 1
      if (newest !== undefined && !includes(high, newest)) tooNew += 1
      if (newest !== undefined && !includes(low, newest)) within += 1
    }
  }
  t.equal(missing, 0, 'everything up to the low mark is in the snapshot')
  t.equal(tooNew, 0, 'nothing behind the high mark is')
  t.ok(
    writers.every(({ gtids }) => gtids.length > SNAPSHOTS / 4),
    `${writers.map(({ gtids }) => gtids.length).join(', ')} commits during ${SNAPSHOTS} snapshots, ${within} of them between the marks`
  )
  const last = seen.at(-1)
  const beyond = writers[0]?.gtids.at(-1) ?? ''
  t.notOk(includes(seen[0]?.high ?? '', beyond), 'the check can fail: the last commit is behind the first high mark')
  t.ok(last?.counts.some((count) => count > 0))
}

t.test('MariaDB', async (t) => {
  await using server = await startMariadb({ args: ['--log-bin=binlog', '--binlog-format=ROW', '--server-id=5', '--gtid-strict-mode=ON'] })
  await provesMarks(t, server)
})

t.test('MySQL 9', async (t) => {
  await using server = await startMysql9()
  await provesMarks(t, server)
})

/** A MariaDB that writes a binlog where the test can read its bytes. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { startMariadb } from '../servers.ts'

export type Cell = string | null

export interface BinlogSource extends AsyncDisposable {
  readonly version: string
  run(sql: string): Promise<void>
  /** Rows of texts. */
  select(sql: string): Promise<Cell[][]>
  /** Bytes of the binlog that the statements of `work` wrote, as one whole file. */
  record(work: () => Promise<void>): Promise<Buffer>
}

const SESSION = `SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'`

export async function startSource(args: readonly string[] = []): Promise<BinlogSource> {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-binlog-'))
  const server = await startMariadb({
    args: [
      `--log-bin=${folder}/bin`,
      '--server-id=7',
      '--binlog-format=ROW',
      '--binlog-row-metadata=FULL',
      '--binlog-annotate-row-events=ON',
      ...args
    ]
  })
  const { host, port, user, password } = server
  const connection = await createConnection({ host, port, user, password, multipleStatements: true })
  await connection.query(`${SESSION}; SET NAMES utf8mb4; CREATE DATABASE fidelity; USE fidelity`)
  const select = async (sql: string): Promise<Cell[][]> => {
    const [rows] = await connection.query({ sql, rowsAsArray: true })
    return (rows as unknown[][]).map((row) => row.map((cell) => (cell === null ? null : String(cell))))
  }
  const run = async (sql: string): Promise<void> => {
    await connection.query(sql)
  }
  const [[version]] = (await select('SELECT VERSION()')) as [[string]]
  return {
    version,
    run,
    select,
    record: async (work) => {
      await run('FLUSH BINARY LOGS')
      const [[file]] = (await select('SHOW MASTER STATUS')) as [[string]]
      await work()
      await run('FLUSH BINARY LOGS')
      return readFile(join(folder, file))
    },
    [Symbol.asyncDispose]: async () => {
      connection.destroy()
      await server[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

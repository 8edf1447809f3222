/** Servers of both flavours with a binlog that can be read, and sessions as the capture and the applier have them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BuiltRecord, FragmentView, RowChange, TransactionId, TransactionPacker } from '@cellway/change'
import { changesOf, createTransactionPacker, decodeRecord, joinFragments, parsePosition, readChange } from '@cellway/change'
import { type RowChange as BinlogChange, BinlogDecoder, packetsOfFile, type RowsEvent, type TableMap } from '@cellway/mysql-binlog'
import { type CapturePlan, captureTable, describeTables, type Flavour, SESSION_SQL, type TableDescription } from '@cellway/mysql-value'
import { createConnection } from 'mysql2/promise'
import { startMysql9 } from '../mysql9.ts'
import { startMariadb } from '../servers.ts'

export interface Cell extends AsyncDisposable {
  readonly flavour: Flavour
  readonly version: string
  run(sql: string): Promise<void>
  /** Raw cells of the text protocol. */
  rows(sql: string): Promise<(Buffer | null)[][]>
  /** As texts. */
  texts(sql: string): Promise<(string | null)[][]>
  /** By name, for describeTables. */
  records(sql: string): Promise<Record<string, unknown>[]>
  /** Bytes of the binlog that `work` wrote, as one whole file. */
  record(work: () => Promise<void>): Promise<Buffer>
  describe(schema: string): Promise<TableDescription[]>
  /** An empty schema `fidelity` again. */
  reset(): Promise<void>
}

/** Two cells of each flavour, for all directions between them. */
export async function startFour(): Promise<AsyncDisposableStack & { readonly pairs: readonly (readonly [Cell, Cell])[] }> {
  const stack = new AsyncDisposableStack()
  try {
    const cells: Cell[] = []
    for (const flavour of ['mariadb', 'mariadb', 'mysql', 'mysql'] as const) cells.push(stack.use(await startCell(flavour)))
    const [a, b, c, d] = cells as [Cell, Cell, Cell, Cell]
    const pairs: readonly (readonly [Cell, Cell])[] = [
      [a, b],
      [c, d],
      [a, d],
      [c, b]
    ]
    return Object.assign(stack, { pairs })
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

export async function startCell(flavour: Flavour, args: readonly string[] = []): Promise<Cell> {
  const folder = await mkdtemp(join(tmpdir(), 'cellway-value-'))
  const mariadbArgs = [`--log-bin=${folder}/bin`, '--server-id=7', '--binlog-format=ROW', '--binlog-row-metadata=FULL']
  const server =
    flavour === 'mysql'
      ? await startMysql9({ args: ['--max-allowed-packet=256M', ...args] })
      : { ...(await startMariadb({ args: [...mariadbArgs, '--max-allowed-packet=256M', ...args] })), dataFolder: folder }
  const { host, port, user, password, dataFolder } = server
  const connection = await createConnection({ host, port, user, password, multipleStatements: true })
  for (const sql of SESSION_SQL(flavour)) await connection.query(sql)
  const run = async (sql: string): Promise<void> => {
    await connection.query(sql)
  }
  const rows = async (sql: string): Promise<(Buffer | null)[][]> => {
    const [found] = await connection.query({ sql, rowsAsArray: true, typeCast: (field) => field.buffer() })
    return found as unknown as (Buffer | null)[][]
  }
  const texts = async (sql: string): Promise<(string | null)[][]> => (await rows(sql)).map((row) => row.map((cell) => cell?.toString('utf8') ?? null))
  const records = async (sql: string): Promise<Record<string, unknown>[]> => {
    const [found] = await connection.query({ sql, typeCast: (field) => field.buffer() })
    return found as Record<string, unknown>[]
  }
  const reset = (): Promise<void> => run('DROP DATABASE IF EXISTS fidelity; CREATE DATABASE fidelity CHARACTER SET utf8mb4; USE fidelity')
  await reset()
  const [[version]] = (await texts('SELECT VERSION()')) as [[string]]
  return {
    flavour,
    version,
    run,
    reset,
    rows,
    texts,
    records,
    record: async (work) => {
      await run('FLUSH BINARY LOGS')
      const [[file]] = (await texts(flavour === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS')) as [[string]]
      await work()
      await run('FLUSH BINARY LOGS')
      return readFile(join(dataFolder, file))
    },
    describe: (schema) => describeTables(records, { flavour, schemas: [schema] }),
    [Symbol.asyncDispose]: async () => {
      connection.destroy()
      await server[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** What the capture makes of a binlog: the row changes of all tables in order, after a trip through records of the center. */
export function captured(bytes: Buffer, { flavour }: Cell, descriptions: readonly TableDescription[]): RowChange[] {
  const plans = new Map<TableMap, CapturePlan>()
  const packer = packerOf(flavour)
  for (const { table, action, rows } of rowsEvents(bytes)) {
    const plan =
      plans.get(table) ??
      captureTable(
        table,
        descriptions.find(({ schema, name }) => schema === table.schema && name === table.table)
      )
    plans.set(table, plan)
    for (const row of rows) packer.add(changeOf(plan, action, row))
  }
  packer.end(parsePosition(flavour, POSITIONS[flavour][1]))
  packer.flush()
  return packer.take().reduce<Joined>(joinRecord, { changes: [], fragments: [] }).changes
}

/** Tables as the decoder knows them, and their rows. */
export function rowsEvents(bytes: Buffer): { table: TableMap; action: RowsEvent['action']; rows: BinlogChange[] }[] {
  const decoder = new BinlogDecoder()
  const found: { table: TableMap; action: RowsEvent['action']; rows: BinlogChange[] }[] = []
  for (const packet of packetsOfFile(bytes)) {
    for (const event of decoder.events(packet)) if (event.kind === 'rows') found.push({ table: event.table, action: event.action, rows: [...event] })
  }
  return found
}

const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const POSITIONS = { mariadb: ['', '0-7-1'], mysql: ['', `${UUID}:1`] } as const

function packerOf(flavour: Flavour): TransactionPacker {
  const origin = { cell: 'source', store: 'mysql', kind: flavour }
  const packer = createTransactionPacker({
    origin,
    streamEpoch: 1,
    producerSequence: 0,
    from: parsePosition(flavour, POSITIONS[flavour][0]),
    codec: 'none'
  })
  const id: TransactionId =
    flavour === 'mariadb' ? { kind: 'mariadb-gtid', domain: 0, server: 7, sequence: 1n } : { kind: 'mysql-gtid', uuid: UUID, tag: '', number: 1n }
  packer.begin({ id, commitTimeUs: 0, originServerId: 7 })
  return packer
}

function changeOf({ identity: table, row }: CapturePlan, action: RowsEvent['action'], { before = [], after = [] }: BinlogChange): RowChange {
  switch (action) {
    case 'insert':
      return { kind: 'insert', table, after: row(after) }
    case 'update':
      return { kind: 'update', table, before: row(before), after: row(after) }
    case 'delete':
      return { kind: 'delete', table, before: row(before) }
  }
}

interface Joined {
  readonly changes: RowChange[]
  readonly fragments: FragmentView[]
}

function joinRecord({ changes, fragments }: Joined, { bytes }: BuiltRecord): Joined {
  const record = decodeRecord(bytes)
  if (record.kind !== 'transactions') throw new TypeError('not a record of transactions')
  for (const transaction of record.transactions()) {
    for (const view of changesOf(transaction)) {
      if (view.kind === 'fragment') fragments.push(view)
      const whole = view.kind !== 'fragment' ? view : view.last ? joinFragments(fragments.splice(0)) : undefined
      const change = whole === undefined ? undefined : readChange(whole)
      if (change !== undefined && change.kind !== 'schema') changes.push(change)
    }
  }
  return { changes, fragments }
}

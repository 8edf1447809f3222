import { createHash } from 'node:crypto'
import { cpus } from 'node:os'
import { pathToFileURL } from 'node:url'
import { BinlogDecoder, packetsOfFile, type Row } from '@cellway/mysql-binlog'
import { type BinlogSource, startSource } from '../integration/mysql-binlog/source.ts'

const ROWS = 300_000
const ROWS_PER_STATEMENT = 1000
const ROUNDS = 7
const COLUMNS = ['id', 'n', 'name', 'made', 'price'] as const

export const summary = 'Binlog bytes of a real MariaDB to rows of 5 columns, beside @vlasky/zongji; goal: 1 M rows/s and 4 x zongji.'
export const needs = ['mariadbd', 'mariadb-install-db']

export interface DecodeBench {
  readonly name: 'mysql-decode'
  readonly ours: { readonly rowsPerSecond: number; readonly rowsPerSecondWithText: number; readonly equalToServer: boolean }
  readonly peer: { readonly rowsPerSecond: number; readonly equalToServer: boolean; readonly version: string }
  /** `zongjiWithText`: ours makes a string of each VARCHAR too, as zongji does, instead of a view of its bytes. */
  readonly ratio: { readonly zongji: number; readonly zongjiWithText: number }
  readonly rounds: {
    readonly count: number
    readonly ours: readonly number[]
    readonly oursWithText: readonly number[]
    readonly zongji: readonly number[]
  }
  readonly machine: string
}

/**
 * Rows per second of this thread's CPU time, so that what else runs on the machine does not count. Both decode the same bytes, row
 * by row, to numbers, texts and bytes; ours verifies each event's CRC, the peer does not.
 */
export async function run({ args }: { readonly args: readonly string[] }): Promise<DecodeBench> {
  const zongji = await loadZongji(args)
  const { bytes, digest } = await recordRows()
  const packets = [...packetsOfFile(bytes)]
  const oursEqual = digestOf((take) => decodeOurs(packets, take)) === digest
  const zongjiEqual = digestOf((take) => zongji.decode(packets, (row) => take(COLUMNS.map((column) => row[column] as string)))) === digest
  const rounds = { ours: [] as number[], oursWithText: [] as number[], zongji: [] as number[] }
  for (let round = 0; round < ROUNDS; round++) {
    rounds.ours.push(rowsPerSecond((touch) => decodeOurs(packets, (row) => touch(row[1] as number))))
    rounds.oursWithText.push(rowsPerSecond((touch) => decodeOurs(packets, (row) => touch(String(row[2]).length))))
    rounds.zongji.push(rowsPerSecond((touch) => zongji.decode(packets, (row) => touch(row.n as number))))
  }
  const [ours, withText, peer] = [median(rounds.ours), median(rounds.oursWithText), median(rounds.zongji)]
  return {
    name: 'mysql-decode',
    ours: { rowsPerSecond: Math.round(ours), rowsPerSecondWithText: Math.round(withText), equalToServer: oursEqual },
    peer: { rowsPerSecond: Math.round(peer), equalToServer: zongjiEqual, version: zongji.version },
    ratio: { zongji: round2(ours / peer), zongjiWithText: round2(withText / peer) },
    rounds: {
      count: ROUNDS,
      ours: rounds.ours.map(Math.round),
      oursWithText: rounds.oursWithText.map(Math.round),
      zongji: rounds.zongji.map(Math.round)
    },
    machine: `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}, Node ${process.version}`
  }
}

async function recordRows(): Promise<{ bytes: Buffer; digest: string }> {
  await using source = await startSource(['--innodb-flush-log-at-trx-commit=0', '--sync-binlog=0'])
  await source.run('CREATE TABLE bench (id BIGINT PRIMARY KEY, n INT NOT NULL, name VARCHAR(60), made DATETIME, price DECIMAL(12,2))')
  const bytes = await source.record(() => insertRows(source))
  const hash = createHash('sha256')
  for (let from = 0; from < ROWS; from += 50_000) {
    const rows = await source.select(
      `SELECT ${COLUMNS.map((column) => `CAST(${column} AS CHAR)`).join(', ')} FROM bench ORDER BY id LIMIT ${from}, 50000`
    )
    for (const row of rows) hash.update(row.join('|'))
  }
  return { bytes, digest: hash.digest('hex') }
}

/** Values of an ordinary shop: large ids, small numbers, names of 5 to 35 letters, dates of some years, prices of both signs. */
async function insertRows(source: BinlogSource): Promise<void> {
  for (let from = 0; from < ROWS; from += ROWS_PER_STATEMENT) {
    const last = from + ROWS_PER_STATEMENT - 1
    await source.run(
      `INSERT INTO bench SELECT 700000000000 + seq * 7, CAST(seq * 37 % 100000 AS SIGNED) - 5000, CONCAT('name ', REPEAT(CHAR(97 + seq % 26), seq % 31)),
       '2019-01-01' + INTERVAL (seq * 7919 % 150000000) SECOND, (CAST(seq * 7919 % 2000000 AS SIGNED) - 500000) / 100 FROM seq_${from}_to_${last}`
    )
  }
}

function decodeOurs(packets: readonly Buffer[], take: (row: Row) => void): void {
  const decoder = new BinlogDecoder()
  for (const packet of packets) {
    const event = decoder.decode(packet)
    if (event.kind !== 'rows') continue
    for (const { after } of event) if (after !== undefined) take(after)
  }
}

function digestOf(decode: (take: (row: readonly unknown[]) => void) => void): string {
  const hash = createHash('sha256')
  decode((row) => hash.update(row.map(String).join('|')))
  return hash.digest('hex')
}

function rowsPerSecond(decode: (touch: (n: number) => void) => void): number {
  let rows = 0
  let sum = 0
  const before = process.threadCpuUsage()
  decode((n) => {
    rows++
    sum += n
  })
  const { user, system } = process.threadCpuUsage(before)
  if (rows !== ROWS || !Number.isFinite(sum)) throw new Error(`${rows} rows of ${ROWS}`)
  return rows / ((user + system) / 1e6)
}

function round2(value: number): number {
  return Math.round(value * 100) / 100
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN
}

interface Zongji {
  readonly version: string
  decode(packets: readonly Buffer[], take: (row: Readonly<Record<string, unknown>>) => void): void
}

/** What zongji's connection gives its event classes; its parsers take nothing else from it. */
interface ZongjiStream {
  readonly tableMap: Record<number, unknown>
  readonly useChecksum: boolean
  readonly isMariaDb: boolean
  readonly connection: { readonly config: { readonly dateStrings: boolean } }
  _skipSchema(): boolean
}

interface ZongjiEvent {
  readonly tableId: number
  readonly schemaName: string
  readonly tableName: string
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  getTypeName(): string
  buildColumnSchemas(): unknown
  updateColumnInfo(): void
}

interface ZongjiPacket {
  parse(parser: unknown): void
  getEvent(): ZongjiEvent
}

/** `--zongji=FOLDER`: the folder whose node_modules has it; without it, the repository's own. */
async function loadZongji(args: readonly string[]): Promise<Zongji> {
  const folder = args.find((arg) => arg.startsWith('--zongji='))?.slice('--zongji='.length)
  const root = folder === undefined ? new URL('.', import.meta.resolve('@vlasky/zongji')) : pathToFileURL(`${folder}/node_modules/@vlasky/zongji/`)
  const { default: initPacket } = (await import(new URL('lib/packet/binlog.js', root).href)) as {
    default: (stream: ZongjiStream) => new () => ZongjiPacket
  }
  const { Parser } = (await import(new URL('lib/reader.js', root).href)) as { Parser: new () => { append(bytes: Buffer): void } }
  const { default: manifest } = (await import(new URL('package.json', root).href, { with: { type: 'json' } })) as { default: { version: string } }
  const decode: Zongji['decode'] = (packets, take) => {
    const tableMap: Record<number, unknown> = {}
    const stream: ZongjiStream = {
      tableMap,
      useChecksum: true,
      isMariaDb: true,
      connection: { config: { dateStrings: true } },
      _skipSchema: () => false
    }
    const Packet = initPacket(stream)
    for (const packet of packets) {
      const typeCode = packet[4] ?? 0
      if (typeCode !== 19 && typeCode !== 23) continue
      const parser = new Parser()
      parser.append(withStatusByte(packet))
      const one = new Packet()
      one.parse(parser)
      const event = one.getEvent()
      if (typeCode === 23) for (const row of event.rows) take(row)
      else adoptTable(tableMap, event)
    }
  }
  return { version: manifest.version, decode }
}

/** The protocol puts one byte before each event; in a file that is the last byte of the event before. */
function withStatusByte(packet: Buffer): Buffer {
  return Buffer.from(packet.buffer, packet.byteOffset - 1, packet.length + 1)
}

/** As zongji's own stream does with FULL metadata: once per table id. */
function adoptTable(tableMap: Record<number, unknown>, event: ZongjiEvent): void {
  if (tableMap[event.tableId] !== undefined) return
  tableMap[event.tableId] = { columnSchemas: event.buildColumnSchemas(), parentSchema: event.schemaName, tableName: event.tableName }
  event.updateColumnInfo()
}

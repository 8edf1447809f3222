/** Every column type of MariaDB with its odd values, and how a server and a decoded value are brought to one text. */
import { ABSENT, type ColumnValue, inet4Text, inet6Text, uuidText } from '@cellway/mysql-binlog'

/** Brings both sides to one text. */
interface View {
  readonly sql: (column: string) => string
  readonly ours: (value: Exclude<ColumnValue, null | typeof ABSENT>) => string
}

const hexOf = (bytes: Buffer): string => bytes.toString('hex').toUpperCase()

function bytesOf(value: ColumnValue): Buffer {
  if (!Buffer.isBuffer(value)) throw new TypeError(`not bytes: ${String(value)}`)
  return value
}

function member(value: ColumnValue): string {
  if (typeof value !== 'object' || value === null || !('label' in value)) throw new TypeError('neither enum nor set')
  return `${value.kind === 'enum' ? value.index : value.bits}:${hexOf(value.label ?? Buffer.from('none'))}`
}

function geometry(value: ColumnValue): string {
  if (typeof value !== 'object' || value === null || !('wkb' in value)) throw new TypeError('no geometry')
  const srid = Buffer.alloc(4)
  srid.writeUInt32LE(value.srid)
  return hexOf(Buffer.concat([srid, value.wkb]))
}

export const VIEWS = {
  text: { sql: (column) => `CAST(${column} AS CHAR)`, ours: String },
  hex: { sql: (column) => `HEX(${column})`, ours: (value) => hexOf(bytesOf(value)) },
  year: { sql: (column) => `CAST(${column} AS CHAR)`, ours: (value) => String(value).padStart(4, '0') },
  /** The server prints floats with six digits only, so both go through a double. */
  float: { sql: (column) => `CAST(${column} AS DOUBLE)`, ours: (value) => String(Math.fround(Number(value))) },
  double: { sql: (column) => `CAST(${column} AS CHAR)`, ours: String },
  bit: { sql: (column) => `HEX(${column})`, ours: (value) => (typeof value === 'bigint' ? value.toString(16).toUpperCase() : 'no bigint') },
  member: { sql: (column) => `CONCAT(CAST(${column} AS UNSIGNED), ':', HEX(${column}))`, ours: member },
  geometry: { sql: (column) => `HEX(${column})`, ours: geometry },
  uuid: { sql: (column) => `CAST(${column} AS CHAR)`, ours: (value) => uuidText(bytesOf(value)) },
  inet4: { sql: (column) => `CAST(${column} AS CHAR)`, ours: (value) => inet4Text(bytesOf(value)) },
  inet6: { sql: (column) => `CAST(${column} AS CHAR)`, ours: (value) => inet6Text(bytesOf(value)) }
} satisfies Record<string, View>

export interface TypeCase {
  readonly definition: string
  readonly view: keyof typeof VIEWS
  /** SQL literals; NULL is added to each. */
  readonly values: readonly string[]
}

const ints = (bits: number, unsigned: boolean): string[] => {
  const end = 2n ** BigInt(unsigned ? bits : bits - 1)
  return unsigned ? ['0', '1', String(end / 2n), String(end - 1n)] : ['0', '-1', String(-end), String(end - 1n)]
}

const quoted = (values: readonly string[]): string[] => values.map((value) => `'${value}'`)

const integerCases = (
  [
    ['TINYINT', 8],
    ['SMALLINT', 16],
    ['MEDIUMINT', 24],
    ['INT', 32],
    ['BIGINT', 64]
  ] as const
).flatMap(([name, bits]): TypeCase[] => [
  { definition: name, view: 'text', values: ints(bits, false) },
  { definition: `${name} UNSIGNED`, view: 'text', values: ints(bits, true) }
])

const decimalCases = [
  [1, 0],
  [9, 0],
  [9, 9],
  [10, 2],
  [18, 9],
  [19, 10],
  [20, 4],
  [38, 38],
  [65, 0],
  [65, 30],
  [30, 1]
].map(([precision = 0, scale = 0]): TypeCase => {
  const nines = '9'.repeat(precision - scale) + (scale === 0 ? '' : `.${'9'.repeat(scale)}`)
  const small = scale === 0 ? '1' : `0.${'0'.repeat(scale - 1)}1`
  const odd = `1${'0'.repeat(Math.max(precision - scale - 1, 0))}`
  return { definition: `DECIMAL(${precision},${scale})`, view: 'text', values: ['0', nines, `-${nines}`, small, `-${small}`, odd, '0.5', '-0.05'] }
})

const temporalCases = [0, 1, 2, 3, 4, 5, 6].flatMap((digits): TypeCase[] => [
  {
    definition: `TIME(${digits})`,
    view: 'text',
    values: quoted(['00:00:00', '-00:00:00.1', '838:59:59', '-838:59:59', '-12:34:56.789012', '100:00:00.5', '-00:00:01'])
  },
  {
    definition: `DATETIME(${digits})`,
    view: 'text',
    values: quoted([
      '0000-00-00',
      '1000-01-01',
      '9999-12-31 23:59:59.999999',
      '2024-02-30 01:02:03.5',
      '2024-00-15',
      '0001-01-01',
      '2024-02-29 12:34:56.000001'
    ])
  },
  {
    definition: `TIMESTAMP(${digits}) NULL`,
    view: 'text',
    values: quoted(['0000-00-00', '1970-01-01 00:00:01', '2038-01-19 03:14:07', '2000-02-29 23:59:59.999999', '2024-12-31 23:59:59.25', '2100-03-01'])
  }
])

const text = (definition: string, values: readonly string[]): TypeCase => ({ definition, view: 'hex', values })
const WORDS = ["''", "'a'", "'grün 漢字'", "'trailing  '", "' '"]

const stringCases: TypeCase[] = [
  text('CHAR(0)', ["''"]),
  text('CHAR(20) CHARACTER SET utf8mb4', [...WORDS, "'🐬'"]),
  text('CHAR(10) CHARACTER SET latin1', ["''", "'grün'", "'x   '"]),
  text('CHAR(10) CHARACTER SET gbk', ["''", "'漢字'"]),
  text('CHAR(255) CHARACTER SET utf8mb4', ["REPEAT('🐬', 255)", "''", "'x'"]),
  text('VARCHAR(10) CHARACTER SET ascii', ["''", "'abc'"]),
  text('VARCHAR(300) CHARACTER SET utf8mb3', [...WORDS, "REPEAT('漢', 300)"]),
  text('VARCHAR(20) CHARACTER SET utf16', WORDS),
  text('VARCHAR(255) CHARACTER SET latin1', ["REPEAT('x', 255)"]),
  text('BINARY(4)', ["''", "X'00'", "X'61000000'", "X'0000'", "X'20'", "X'FFFFFFFF'"]),
  text('BINARY(255)', ["X'01'", "''"]),
  text('VARBINARY(10)', ["''", "X'6100'", "X'00'", "X'2020'"]),
  text('VARBINARY(1000)', ["REPEAT(X'00FF', 500)"]),
  text('TINYTEXT', WORDS),
  text('TEXT CHARACTER SET ucs2', WORDS),
  text('MEDIUMTEXT', ["REPEAT('mé', 40000)", "''"]),
  text('LONGTEXT', WORDS),
  text('TINYBLOB', ["X'00'", "''"]),
  text('BLOB', ["REPEAT(X'00', 300)", "X'ff00'"]),
  text('MEDIUMBLOB', ["REPEAT('ab', 40000)"]),
  text('LONGBLOB', ["X'00ff'", "''"]),
  text('JSON', [`'{"b": 1, "a":  [1.0, 12345678901234567890, "ü"]}'`, "'[]'", "'null'"])
]

const otherCases: TypeCase[] = [
  {
    definition: 'FLOAT',
    view: 'float',
    values: ['0', '1.1', '-1.1', '16777217', '3.4028234e38', '1.17549435e-38', '1e-45', '0.1', '123456.789', '1e10']
  },
  { definition: 'FLOAT UNSIGNED', view: 'float', values: ['0.3', '1e-5'] },
  { definition: 'FLOAT(7,3)', view: 'float', values: ['1.1', '-9999.999'] },
  {
    definition: 'DOUBLE',
    view: 'double',
    values: ['0', '1.1', '-0.1', '1.7976931348623157e308', '2.2250738585072014e-308', '5e-324', '9007199254740993']
  },
  { definition: 'BIT(1)', view: 'bit', values: ["b'0'", "b'1'"] },
  { definition: 'BIT(5)', view: 'bit', values: ["b'0'", "b'10101'", "b'11111'"] },
  { definition: 'BIT(31)', view: 'bit', values: ['0', '0x7fffffff'] },
  { definition: 'BIT(33)', view: 'bit', values: ['0', '0x1ffffffff'] },
  { definition: 'BIT(64)', view: 'bit', values: ['0', '1', '0xffffffffffffffff', '0x8000000000000000'] },
  { definition: 'YEAR', view: 'year', values: ['0', '1901', '2155', '2024'] },
  {
    definition: 'DATE',
    view: 'text',
    values: quoted(['0000-00-00', '1000-01-01', '9999-12-31', '2024-02-30', '2024-00-00', '0000-01-01', '2024-02-29'])
  },
  { definition: `ENUM('a','b,c','d''e','ü','') CHARACTER SET utf8mb4`, view: 'member', values: ["'a'", "'b,c'", '3', "'ü'", "''", "'invalid'"] },
  { definition: `ENUM(${Array.from({ length: 300 }, (_, index) => `'v${index}'`).join(',')})`, view: 'member', values: ["'v0'", "'v299'"] },
  { definition: `SET('a','b''c','ü') CHARACTER SET latin1`, view: 'member', values: ["''", "'a'", "'a,ü'", "'a,b''c,ü'"] },
  {
    definition: `SET(${Array.from({ length: 64 }, (_, index) => `'s${index}'`).join(',')})`,
    view: 'member',
    values: ["''", "'s63'", "'s0,s31,s32,s63'", '18446744073709551615']
  },
  { definition: `SET(${Array.from({ length: 20 }, (_, index) => `'s${index}'`).join(',')})`, view: 'member', values: ["'s19'"] },
  {
    definition: 'GEOMETRY',
    view: 'geometry',
    values: ["ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('LINESTRING(0 0,1 1)')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))', 1)"]
  },
  { definition: 'POINT', view: 'geometry', values: ["ST_GeomFromText('POINT(-1.5 2e100)')"] },
  {
    definition: 'UUID',
    view: 'uuid',
    values: quoted([
      '00000000-0000-0000-0000-000000000000',
      'd6a5fdf2-7a8b-11ee-b962-0242ac120002',
      '123e4567-e89b-42d3-a456-426614174000',
      '123e4567-e89b-42d3-a456-426614170000',
      '018bb1b2-7c00-7abc-8def-0123456789ab',
      '1ee7a8bd-6a5f-6df2-b962-0242ac120002',
      'ffffffff-ffff-ffff-ffff-ffffffffffff'
    ])
  },
  { definition: 'INET4', view: 'inet4', values: quoted(['0.0.0.0', '192.168.1.0', '255.255.255.255']) },
  {
    definition: 'INET6',
    view: 'inet6',
    values: quoted(['::', '::1', '2001:db8::', 'fe80::1:0:0:1', '::ffff:1.2.3.4', '::1.2.3.4', '1:2:3:4:5:6:7:8', '1:0:3:0:5:0:7:0', 'ff00:0:0:1::'])
  },
  text('VARCHAR(2000) COMPRESSED', ["''", "'short'", "REPEAT('long ', 300)"]),
  text('VARCHAR(200) COMPRESSED CHARACTER SET latin1', ["REPEAT('ü', 200)", "'x'"]),
  text('VARBINARY(500) COMPRESSED', ["REPEAT(X'00', 500)", "''"]),
  text('TEXT COMPRESSED', ["REPEAT('grün ', 5000)", "''", "'x'"]),
  text('LONGBLOB COMPRESSED', ["REPEAT(X'01', 100000)", "X''"]),
  { definition: 'INT INVISIBLE', view: 'text', values: ['42', '-42'] }
]

export const TYPE_CASES: readonly TypeCase[] = [...integerCases, ...decimalCases, ...temporalCases, ...stringCases, ...otherCases]

/** Text of a decoded value; NULL and absent columns as null and 'absent'. */
export function viewOf(value: ColumnValue, view: keyof typeof VIEWS): string | null {
  if (value === ABSENT) return 'absent'
  return value === null ? null : VIEWS[view].ours(value)
}

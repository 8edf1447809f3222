import { readFileSync } from 'node:fs'
import t from 'tap'
import { BinlogDecoder } from './decoder.ts'
import type { BinlogEvent } from './events.ts'
import { formatGtid } from './gtid.ts'
import { ABSENT, type ColumnValue } from './values.ts'

/** Bytes that a real server wrote, with the statements that made it write them (vectors/*.json), and what they mean. */

interface VectorFile {
  readonly server: string
  readonly vectors: readonly { readonly name: string; readonly sql: readonly string[]; readonly events: readonly string[] }[]
}

const { server, vectors } = JSON.parse(readFileSync(new URL('../vectors/mariadb-10.11.vectors.json', import.meta.url), 'utf8')) as VectorFile

const WANT: Readonly<Record<string, readonly string[]>> = {
  integers: [
    'gtid 0-7-3',
    'table a tinyint, b smallint, c mediumint, d int, e bigint, f bigint',
    '+ -128 | 65535 | -8388608 | 4294967295 | -9223372036854775808n | 18446744073709551615n',
    '+ 127 | 0 | -1 | 0 | NULL | 0n',
    'xid'
  ],
  'decimals and floats': [
    'gtid 0-7-5',
    'table a decimal, b decimal, c decimal, d float, e double',
    "+ '-12345678901234567890123456789012345.123456789012345678901234567890' | '-0.0001' | '1000000000' | 1.1 | 0.1",
    "+ '0.000000000000000000000000000000' | '0.0000' | '0' | 16777216 | -5e-324",
    'xid'
  ],
  temporal: [
    'gtid 0-7-7',
    'table a date, b time, c datetime, d timestamp, e year',
    "+ '2024-02-30' | '-838:59:58.999999' | '9999-12-31 23:59:59.999' | '2038-01-19 03:14:07.9' | 2155",
    "+ '0000-00-00' | '-00:00:00.000001' | '2024-00-00 00:00:00.000' | '0000-00-00 00:00:00.0' | 0",
    'xid'
  ],
  'text, bytes and members': [
    'gtid 0-7-9',
    'table a char/28, b char/63, c varchar/45, d blob/45, e enum/45, f set/45, g bit, h char/63, i char/63',
    '+ x9d68 | x61000000 | xc3bc | x646f63 | 2=y,z | 5={p,s} | 2730n | x123e4567e89b42d3a456426614170000 | x20010db8000000000000000000000000',
    '+ x | x00000000 | x | x | 0= | 0={} | 0n | NULL | x00000000000000000000000000000000',
    'xid'
  ],
  'geometry among text columns': [
    'gtid 0-7-11',
    'table a varchar/8, g geometry/63, b char/63, t blob/45',
    '+ x78 | srid 4326 0101000000000000000000f03f0000000000000040 | x010000 | x79',
    'xid'
  ],
  'compressed columns': [
    'gtid 0-7-13',
    'table a varchar-compressed/8, b blob-compressed/63',
    '+ 300 bytes 6162 | 400 bytes 0000',
    '+ x73686f7274 | x',
    'xid'
  ],
  'compressed events': [
    'gtid 0-7-15',
    'table id int, v varchar/8',
    '+ 1 | 200 bytes 6161',
    'xid',
    'gtid 0-7-16',
    'table id int, v varchar/8',
    '- 1 | 200 bytes 6161',
    '+ 1 | 200 bytes 6262',
    'xid',
    'gtid 0-7-17',
    'table id int, v varchar/8',
    '- 1 | 200 bytes 6262',
    'xid',
    'gtid 0-7-18 standalone ddl',
    "query CREATE TABLE ce2 (id INT) COMMENT='cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc'"
  ],
  'minimal row images': [
    'gtid 0-7-21',
    'table id int, a int, b varchar/8, c int',
    '- 1 | ∅ | ∅ | ∅',
    '+ ∅ | ∅ | x78 | ∅',
    'xid',
    'gtid 0-7-22',
    'table id int, a int, b varchar/8, c int',
    '- 1 | ∅ | ∅ | ∅',
    '+ ∅ | NULL | ∅ | ∅',
    'xid',
    'gtid 0-7-23',
    'table id int, a int, b varchar/8, c int',
    '- 1 | ∅ | ∅ | ∅',
    'xid'
  ],
  'XA, DDL, statement format': [
    'gtid 0-7-25 xa prepare',
    'table id int',
    '+ 1',
    "query XA END X'67',X'62',1",
    'xa-prepare',
    'gtid 0-7-26 standalone xa complete',
    "query XA COMMIT X'67',X'62',1",
    'gtid 0-7-27 standalone ddl',
    'query ALTER TABLE xa ADD v INT',
    'gtid 0-7-28',
    'user-variable u',
    'query UPDATE xa SET v = @u + RAND(3)',
    'xid'
  ]
}

for (const { name, sql, events } of vectors) {
  t.test(`${name} (${server})`, async (t) => {
    const decoder = new BinlogDecoder()
    const lines = events.flatMap((hex) => [...decoder.events(Buffer.from(hex, 'hex'))].flatMap(describe))
    t.same(lines, WANT[name], sql.join('; '))
  })
}

/** What a reader of the table wants to see; the head of each file is left out. */
function describe(event: BinlogEvent): string[] {
  switch (event.kind) {
    case 'format':
    case 'gtid-list':
    case 'checkpoint':
    case 'rotate':
      return []
    case 'gtid':
      return [
        `gtid ${formatGtid(event.gtid)}${event.standalone ? ' standalone' : ''}${event.ddl ? ' ddl' : ''}${event.xa === undefined ? '' : ` xa ${event.xa}`}`
      ]
    case 'query':
      return [`query ${event.text}`]
    case 'rows-query':
      return []
    case 'table-map':
      return [
        `table ${event.table.columns.map(({ name, type, collation }) => `${name} ${type}${collation === undefined ? '' : `/${collation}`}`).join(', ')}`
      ]
    case 'rows':
      return [...event].flatMap(({ before, after }) => [
        ...(before === undefined ? [] : [`- ${before.map(text).join(' | ')}`]),
        ...(after === undefined ? [] : [`+ ${after.map(text).join(' | ')}`])
      ])
    case 'statement-context':
      return [`${event.what} ${event.name ?? ''}`]
    case 'xid':
    case 'xa-prepare':
      return [event.kind]
    default:
      return [`${event.kind} ${event.header.typeCode}`]
  }
}

function text(value: ColumnValue): string {
  if (value === null) return 'NULL'
  if (value === ABSENT) return '∅'
  if (Buffer.isBuffer(value)) return value.length > 40 ? `${value.length} bytes ${value.subarray(0, 2).toString('hex')}` : `x${value.toString('hex')}`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'number') return String(value)
  switch (value.kind) {
    case 'enum':
      return `${value.index}=${value.label?.toString()}`
    case 'set':
      return `${value.bits}={${value.label?.toString()}}`
    case 'geometry':
      return `srid ${value.srid} ${value.wkb.toString('hex')}`
    case 'json-patch':
      return JSON.stringify(value.changes)
  }
}

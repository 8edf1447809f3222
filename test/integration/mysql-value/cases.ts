/** Column definitions with their odd values, for one flavour or both. */
import type { Flavour } from '@cellway/mysql-value'
import { TYPE_CASES } from '../mysql-binlog/every-type.ts'

export interface ColumnCase {
  readonly definition: string
  /** SQL literals; NULL is added to each. */
  readonly values: readonly string[]
}

const MARIADB_ONLY = /COMPRESSED|^UUID|^INET[46]|DECIMAL\(38,38\)/
const BOTH = TYPE_CASES.filter(({ definition }) => !MARIADB_ONLY.test(definition))
const quoted = (values: readonly string[]): string[] => values.map((value) => `'${value}'`)

/** Letters of each character set, as bytes of it. */
const CHARACTER_SETS: readonly ColumnCase[] = (
  [
    ['latin1', ['e4f6fc80', '8190', 'a0']],
    ['latin2', ['a1c6ea']],
    ['cp1251', ['cff0e8e2e5f2']],
    ['koi8r', ['d0d2c9d7c5d4']],
    ['greek', ['c1e2e3']],
    ['hebrew', ['f9ecc5']],
    ['gbk', ['baba', '815c', 'd6d0cec4']],
    ['gb2312', ['d6d0']],
    ['big5', ['a4a4', 'a55c']],
    ['sjis', ['93fa', '835c', '815f']],
    ['cp932', ['ed40', '835c']],
    ['ujis', ['c6fc', '8eb1']],
    ['eucjpms', ['c6fc']],
    ['euckr', ['c7d1']],
    ['swe7', ['5b5c5d', '7b7c7d', '41']],
    ['armscii8', ['b2b3', '2829']],
    ['tis620', ['a1a2']],
    ['geostd8', ['c0c1']],
    ['dec8', ['e4']],
    ['hp8', ['cc', 'b0']],
    ['keybcs2', ['87']],
    ['macce', ['8a']],
    ['macroman', ['8a']],
    ['cp850', ['84']],
    ['cp852', ['84']],
    ['cp866', ['8f']],
    ['cp1250', ['9c']],
    ['cp1256', ['c7']],
    ['cp1257', ['e0']],
    ['latin5', ['fd']],
    ['latin7', ['e0']],
    ['koi8u', ['a4']],
    ['ascii', ['0001027f', '275c']],
    ['ucs2', ['00e40020', '6f225b57']],
    ['utf16', ['d83ddc2c', '00410020']],
    ['utf16le', ['3dd82cdc', '41002000']],
    ['utf32', ['0001f42c', '00000041']],
    ['utf8mb3', ['e6bca2']],
    ['utf8mb4', ['f09f90ac', 'efbbbf41', '00', '2700275c5c27', 'c3a9', '65cc81']]
  ] as const
).map(([set, values]) => ({
  definition: `VARCHAR(20) CHARACTER SET ${set}`,
  values: [...values.map((hex) => `_${set} X'${hex}'`), `CONVERT('az 09 ()@[]^{|}~"' USING ${set})`, "''"]
}))

const COMMON: readonly ColumnCase[] = [
  {
    definition: 'VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    values: ["'Case'", "'case '", "CONCAT('quote', CHAR(39), CHAR(92), CHAR(10), CHAR(0))"]
  },
  { definition: 'FLOAT', values: ["'-0'", '3.4028235e38', '-3.4028235e38', '1.4e-45', '8388608.5', '33554432', '0.30000001', '7.038531e-26'] },
  {
    definition: 'DOUBLE',
    values: ["'-0'", '-1.7976931348623157e308', '4.9e-324', '1e21', '1e-7', '0.1', '123456789012345678', '2.2250738585072011e-308']
  },
  { definition: 'DOUBLE(10,2)', values: ['1.1', '-99999999.99', '0.01'] },
  {
    definition: 'DECIMAL(65,30)',
    values: ['99999999999999999999999999999999999.999999999999999999999999999999', '-0.000000000000000000000000000001', '0']
  },
  { definition: 'DECIMAL(6,2) ZEROFILL', values: ['1.5', '0', '9999.99'] },
  { definition: 'INT(8) ZEROFILL', values: ['0', '42', '4294967295'] },
  { definition: 'TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)', values: quoted(['2001-02-03 04:05:06.000007']) },
  {
    definition: "ENUM('x','it''s','a,b','(',')','\u00e9') CHARACTER SET latin1 COLLATE latin1_bin",
    values: ["'x'", "'it''s'", "'a,b'", "')'", '6', "'no such'"]
  },
  { definition: "ENUM('a','漢') CHARACTER SET utf16", values: ["'a'", '2', "'no such'"] },
  { definition: "SET('it''s','(',')','漢') CHARACTER SET utf8mb4", values: ["''", "'it''s'", "'it''s,(,),漢'", '8'] },
  { definition: 'POLYGON', values: ["ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')"] },
  { definition: 'MULTIPOINT', values: ["ST_GeomFromText('MULTIPOINT(0 0,5e-324 1)', 4326)"] },
  {
    definition: 'GEOMETRYCOLLECTION',
    values: ["ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,3 4))')"]
  }
]

const MYSQL_ONLY: readonly ColumnCase[] = [
  { definition: 'VARCHAR(20) CHARACTER SET gb18030', values: ["_gb18030 X'81308130d2bb'", "''"] },
  {
    definition: 'JSON',
    values: [
      `'{"bb": 1, "a": [1.0, 1, -0.0, 1e100, 18446744073709551615, -9223372036854775808, 18446744073709551616]}'`,
      `'"it\\u0027s \\\\ back \\" quote \\u0000 \\ud83d\\udc2c é"'`,
      `'{"": {"__proto__": 1, "length": []}, "é": "漢"}'`,
      "'null'",
      "'true'",
      "'1e-7'",
      "JSON_OBJECT('i', 1, 'd', 1.5e0, 's', REPEAT('x', 70000))",
      "JSON_ARRAY(CAST('2024-02-29 01:02:03.5' AS DATETIME(6)), CAST('-12:00:00' AS TIME), CAST(1.50 AS DECIMAL(5,2)), JSON_OBJECT('a \"k', CAST('-12345678901234567890.123456789' AS DECIMAL(65,9))), 1e20, 123456789012345680000e0)",
      'CAST(CAST(0.10 AS DECIMAL(3,2)) AS JSON)'
    ]
  },
  { definition: 'VECTOR(3)', values: ["TO_VECTOR('[1.5,-0,3e-38]')", "TO_VECTOR('[0,0,0]')"] }
]

const MARIADB_CASES: readonly ColumnCase[] = [
  ...TYPE_CASES.filter(({ definition }) => MARIADB_ONLY.test(definition)),
  { definition: 'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_nopad_ai_ci', values: ["'Ä '", "'a'"] }
]

/** Columns of the source's flavour that the target's flavour has too, or all of it. */
export function casesOf(source: Flavour, target: Flavour): readonly ColumnCase[] {
  const own = source === target ? (source === 'mysql' ? MYSQL_ONLY : MARIADB_CASES) : []
  return [...BOTH, ...CHARACTER_SETS, ...COMMON, ...own].map(({ definition, values }) => ({
    definition,
    // MySQL knows its reference systems by name, and 1 is none.
    values: source === 'mysql' ? values.map((value) => value.replace(/, 1\)$/, ', 3857)')) : values
  }))
}

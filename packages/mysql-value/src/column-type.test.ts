import t from 'tap'
import { columnDefinition, parseColumn } from './column-type.ts'
import { quoteIdentifier, quoteTable, quoteText } from './quote.ts'
import { neutralSql, serverLabels } from './server-text.ts'
import { lenientInsert } from './session.ts'

t.test('types as the servers spell them', async (t) => {
  const check = (type: string, want: Record<string, unknown>, characterSet = ''): void => {
    t.match(parseColumn({ type, characterSet }), want, type)
  }
  check('int(10) unsigned zerofill', { base: 'int', kind: 'int', unsigned: true, zerofill: true, notNull: false })
  check('bigint not null auto_increment', { kind: 'bigint', notNull: true, autoIncrement: true, typeSql: 'bigint' })
  check('decimal(65,30)', { kind: 'decimal', size: 65, decimals: 30 })
  check(
    "varchar(20) collate utf8mb4_bin not null default 'not null'",
    { size: 20, collation: 'utf8mb4_bin', notNull: true, defaultSql: "'not null'" },
    'utf8mb4'
  )
  check("varchar(20) default ' collate x not null'", { collation: '', notNull: false, defaultSql: "' collate x not null'" }, 'utf8mb4')
  check(
    "enum('a,b','it''s','(',' not null ','b\\\\s') not null",
    { members: ['a,b', "it's", '(', ' not null ', 'b\\s'], notNull: true, typeSql: /\)$/ },
    'latin1'
  )
  check('varchar(9) /*M!100301 COMPRESSED*/ not null', { typeSql: 'varchar(9) /*M!100301 COMPRESSED*/', notNull: true }, 'latin1')
  check('timestamp(3) not null default current_timestamp(3) on update current_timestamp(3)', {
    kind: 'temporal',
    size: 3,
    defaultSql: 'current_timestamp(3) on update current_timestamp(3)'
  })
  check('json', { kind: 'json' })
  check('json', { kind: 'text' }, 'utf8mb4')
  check('geomcollection', { kind: 'geometry', base: 'geometrycollection' })
  t.equal(parseColumn({ type: 'xmltype', characterSet: '' }), undefined)
  t.equal(parseColumn({ type: '', characterSet: '' }), undefined)
})

t.test('definitions are read back', async (t) => {
  const definition = columnDefinition({ typeSql: 'int(11)', collation: '', nullable: false, defaultSql: '5', extra: 'INVISIBLE' })
  t.match(parseColumn({ type: definition, characterSet: '' }), { typeSql: 'int(11)', notNull: true, invisible: true, defaultSql: '5' })
})

t.test('texts of the schema', async (t) => {
  t.same(serverLabels("'a','b,c','d''e','f\\\\g','h\\ni'"), ['a', 'b,c', "d'e", 'f\\g', 'h\ni'])
  t.equal(neutralSql("concat('plain',_latin1'x',b'101',1)"), "concat('plain',_latin1'x',b'101',1)")
  t.equal(neutralSql("'it''s'"), "_utf8mb4 X'69742773'")
  t.equal(neutralSql("_latin1'\\\\'"), "_utf8mb4 X'5c'")
})

t.test('names and texts', async (t) => {
  t.equal(quoteIdentifier('a`b.c'), '`a``b.c`')
  t.equal(quoteTable({ schema: 'a.b', name: 'c' }), '`a.b`.`c`')
  t.equal(quoteText('plain "text" %_'), '\'plain "text" %_\'')
  t.equal(quoteText("'"), "_utf8mb4 X'27'")
  t.equal(quoteText('é'), "_utf8mb4 X'c3a9'")
})

t.test('the mode of one statement', async (t) => {
  t.match(lenientInsert('mariadb', 'INSERT INTO t VALUES (0)'), /^SET STATEMENT sql_mode = '[A-Z_,]+' FOR INSERT INTO t/)
  t.match(lenientInsert('mysql', 'INSERT INTO t VALUES (0)'), /^INSERT \/\*\+ SET_VAR\(sql_mode = '[A-Z_,]+'\) \*\/ INTO t/)
})

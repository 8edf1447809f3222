import t from 'tap'
import { type ShapeError, settingProblems } from './setting-problems.ts'

const error = (part: Partial<ShapeError>): ShapeError => ({
  keyword: 'type',
  instancePath: '',
  schemaPath: '#',
  message: 'must be object',
  params: {},
  ...part
})

t.test('one line for each place, whatever the checker says about it', async (t) => {
  const rows: readonly [name: string, errors: readonly ShapeError[], want: readonly string[]][] = [
    ['nothing', [], []],
    ['the whole document', [error({})], ['/: must be object']],
    ['a place', [error({ instancePath: '/listen/port', message: 'must be integer' })], ['/listen/port: must be integer']],
    ['the same twice', [error({}), error({})], ['/: must be object']],
    [
      'unknown names, and the echo of each',
      [
        error({ keyword: 'additionalProperties', instancePath: '/listen', params: { additionalProperties: ['prot', 'hots'] } }),
        error({ keyword: 'boolean', instancePath: '/listen/prot', message: 'schema is false' })
      ],
      ['/listen/prot: there is no such setting', '/listen/hots: there is no such setting']
    ],
    [
      'a choice',
      [
        error({ keyword: 'const', instancePath: '/rpo', schemaPath: '#/properties/rpo/anyOf/0', params: { allowedValue: 'default' } }),
        error({ keyword: 'const', instancePath: '/rpo', schemaPath: '#/properties/rpo/anyOf/1', params: { allowedValue: 'zero' } }),
        error({ keyword: 'anyOf', instancePath: '/rpo' })
      ],
      ['/rpo: must be one of default, zero']
    ]
  ]
  for (const [name, errors, want] of rows) t.same(settingProblems(errors), want, name)
})

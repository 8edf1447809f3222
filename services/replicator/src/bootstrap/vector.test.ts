import { isCellwayError } from '@cellway/base'
import t from 'tap'
import { missingCells, type Vector } from './vector.ts'

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562'

function show(lower: Vector, upper: Vector): string {
  try {
    return missingCells(lower, upper).join(' ')
  } catch (cause) {
    return isCellwayError(cause) ? cause.code : String(cause)
  }
}

t.test('what one vector has and the other has not', async (t) => {
  const rows: readonly (readonly [string, Vector, Vector, string])[] = [
    ['nothing is in everything', {}, {}, ''],
    ['a stream that has not begun', { a: '' }, {}, ''],
    ['equal', { a: '0-1-5', b: `${A}:1-7` }, { a: '0-1-5', b: `${A}:1-7` }, ''],
    ['ahead', { a: '0-1-6' }, { a: '0-1-5' }, 'a'],
    ['behind in one of two', { a: '0-1-5', b: `${A}:1-8` }, { a: '0-1-6', b: `${A}:1-7` }, 'b'],
    ['concurrent is missing', { a: '0-1-5,1-1-9' }, { a: '0-1-6,1-1-8' }, 'a'],
    ['a cell that the other does not know', { c: '0-1-1' }, { a: '0-1-1' }, 'c'],
    ['two histories', { a: '0-1-5' }, { a: '0-2-5' }, 'BOO_HISTORY_FORKED'],
    ['two flavours', { a: '0-1-5' }, { a: `${A}:1-8` }, 'BOO_HISTORY_FORKED']
  ]
  for (const [name, lower, upper, want] of rows) t.equal(show(lower, upper), want, name)
})

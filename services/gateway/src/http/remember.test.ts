import t from 'tap'
import { headerName } from './names.ts'
import { remember } from './remember.ts'

t.test('what is remembered is bounded, and the first ones stay', async (t) => {
  const asked: string[] = []
  const upper = remember(
    (text) => {
      asked.push(text)
      if (text === 'bad') throw new Error('no')
      return text.toUpperCase()
    },
    { entriesMax: 2, charsMax: 4 }
  )
  for (const text of ['a', 'a', 'longer', 'longer', 'bad', 'bad', 'b', 'c', 'b', 'c', 'a']) {
    if (text === 'bad') t.throws(() => upper(text))
    else t.equal(upper(text), text.toUpperCase())
  }
  t.same(asked, ['a', 'longer', 'longer', 'bad', 'bad', 'b', 'c', 'c'])
})

t.test('a header name means the same before and after the memory is full', async (t) => {
  const spellings = ['Host', 'X_Cellway_Cell', 'x-cellway-cell', 'X-Forwarded.For', 'Accept', 'Cookie', ':path', 'X-Fine', 'Transfer-Encoding']
  const before = spellings.map((name) => headerName(name))
  for (let at = 0; at < 2_000; at++) headerName(`X-Made-Up-${at}`)
  t.same(
    spellings.map((name) => headerName(name.toUpperCase())),
    before
  )
  t.same(
    before.filter(({ passes }) => passes).map(({ lower }) => lower),
    ['x-fine']
  )
})

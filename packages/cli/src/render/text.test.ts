import t from 'tap'
import { bar, count, displayWidth, duration, percent, printable, table } from './text.ts'

t.test('durations read as people say them', async (t) => {
  const rows: [number, string][] = [
    [-5, '0 ms'],
    [80, '80 ms'],
    [999, '999 ms'],
    [1234, '1.2 s'],
    [9949, '9.9 s'],
    [9950, '10 s'],
    [12_000, '12 s'],
    [59_600, '1 m'],
    [100_000, '1 m 40 s'],
    [3_600_000, '1 h'],
    [10_920_000, '3 h 2 m'],
    [435_600_000, '5 d 1 h']
  ]
  for (const [ms, want] of rows) t.equal(duration(ms), want, `${ms}`)
})

t.test('a bar never shows nothing for something, nor everything for less than all', async (t) => {
  const rows: [number, string][] = [
    [0, '░░░░░░░░░░'],
    [0.001, '█░░░░░░░░░'],
    [0.5, '█████░░░░░'],
    [0.999, '█████████░'],
    [1, '██████████'],
    [7, '██████████'],
    [-1, '░░░░░░░░░░']
  ]
  for (const [fraction, want] of rows) t.equal(bar(fraction, 10), want, `${fraction}`)
})

t.test('a table is aligned, also with Chinese, colours and numbers', async (t) => {
  const rows = [
    ['北京', '1', 'x'],
    ['shanghai', '1024', '']
  ]
  const text = table([{ title: 'CELL' }, { title: 'N', align: 'right' }, { title: 'NOTE' }], rows)
  t.equal(text, ['CELL         N  NOTE', '北京         1  x', 'shanghai  1024'].join('\n'))
  t.equal(displayWidth('\u001b[31mab\u001b[39m'), 2)
  t.equal(displayWidth('e\u0301'), 1)
})

t.test('foreign text cannot steer the terminal', async (t) => {
  t.equal(printable('a\u001b[2Jb\r\nc'), 'a\\u{1b}[2Jb\\u{d}\\u{a}c')
  t.equal(printable('evil\u202egnp'), 'evil\\u{202e}gnp')
  t.equal(printable('王芳 naïve 🚀'), '王芳 naïve 🚀')
})

t.test('counts and percents', async (t) => {
  t.equal(count(1, 'bucket'), '1 bucket')
  t.equal(count(1024, 'bucket'), '1,024 buckets')
  t.equal(percent(1 / 3), '33.3 %')
})

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { ContextSigner } from '../context-signer.ts'
import { headerName } from './names.ts'
import { ownText } from './own-text.ts'
import { readAnswerHead } from './response-headers.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** A text that is cut out of 16 KiB, as a header of a large head is. */
function cut(number: number): string {
  const text = `X-Of-Some-Length-${String(number).padStart(6, '0')}`
  return Buffer.from(`${text}: ${'b'.repeat(16_000)}`)
    .toString('latin1')
    .slice(0, text.length)
}

function growthMiB(work: (text: string) => void): number {
  collect()
  const before = process.memoryUsage().heapUsed
  for (let number = 0; number < 1_000; number++) work(cut(number))
  collect()
  return (process.memoryUsage().heapUsed - before) / 1024 / 1024
}

t.test('a copy says the same', async (t) => {
  for (const text of ['', 'a', 'caf\xe9', '\u4f60\ud83d\ude00', 'half \ud83d']) t.equal(ownText(text), text)
})

t.test('what is remembered of a head does not keep the head', async (t) => {
  const views: string[] = []
  t.ok(growthMiB((text) => views.push(text)) > 10, 'this can fail: views keep what they are cut out of')
  t.equal(views.length, 1_000)
  t.ok(growthMiB((text) => headerName(text)) < 4, 'names of headers')
  const answer = (name: string): string => `HTTP/1.1 200 OK\r\n${name}: ${'c'.repeat(16_000)}`
  t.ok(growthMiB((text) => readAnswerHead(answer(text), { method: 'GET', cell: 'a' })) < 4, 'names of headers of answers')
  const signer = new ContextSigner(Buffer.alloc(32, 1), 'all')
  const context = { cell: 'a', space: 'users', bucket: '1', epoch: 1, hop: { count: 0, from: undefined } }
  t.ok(growthMiB((key) => signer.lines({ ...context, key }, 0)) < 4, 'keys of signed contexts')
  t.equal(signer.size, 1_000)
})

import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { LineWriter, pieceEnd } from './line-writer.ts'

const MODULE = fileURLToPath(new URL('./line-writer.ts', import.meta.url))

t.test('lines arrive whole and in order, those under way included', async (t) => {
  const file = join(t.testdir(), 'log')
  const fd = openSync(file, 'a')
  const lines = new LineWriter(fd)
  const want = Array.from({ length: 5_000 }, (_, at) => `${at} ${'ä'.repeat(at % 60)}\n`)
  for (const [at, line] of want.entries()) {
    lines.write(line)
    // Lets writes finish in between, so that there are many.
    if (at % 500 === 0) await delay(1)
  }
  while (readFileSync(file, 'utf8') !== want.join('')) await delay(10)
  t.equal(lines.dropped, 0)
  lines.close()
  closeSync(fd)
})

t.test('full: lines are dropped and counted, and none of the others is lost', async (t) => {
  const file = join(t.testdir(), 'log')
  const fd = openSync(file, 'a')
  const lines = new LineWriter(fd)
  const line = `${'x'.repeat(1023)}\n`
  // No write can end before this loop does.
  for (let at = 0; at < 6_000; at++) lines.write(line)
  t.equal(lines.dropped, 6_000 - 4_096 - 16, '4 MiB wait, 16 KiB are on their way')
  while (readFileSync(file).length < 16 * 1024) await delay(5)
  lines.close()
  t.equal(readFileSync(file).length, (4_096 + 16) * 1024)
  closeSync(fd)
})

t.test('a destination that fails costs its lines and nothing else', async (t) => {
  const fd = openSync('/dev/full', 'w')
  const lines = new LineWriter(fd)
  lines.write('one\ntwo\n')
  lines.flush()
  while (lines.dropped < 2) await delay(5)
  lines.write('three\n')
  lines.close()
  t.equal(lines.dropped, 3)
  closeSync(fd)
})

t.test('the end of a process writes what waits', async (t) => {
  for (const end of ['process.exit(3)', 'setTimeout(() => process.exit(3), 20)', "throw new Error('a mistake')"]) {
    const script = `const { LineWriter } = await import(${JSON.stringify(MODULE)})
      const lines = new LineWriter(1)
      for (let at = 0; at < 2000; at++) lines.write('line ' + at + '\\n')
      ${end}`
    const output = await outputOf(['--input-type=module', '-e', script])
    const numbers = output.split('\n').map((line) => Number(line.replace('line ', '')))
    t.same(
      numbers.slice(0, -1).sort((a, b) => a - b),
      Array.from({ length: 2_000 }, (_, at) => at),
      end
    )
  }
})

t.test('two processes on one pipe with a slow reader do not cut into lines of each other', async (t) => {
  const script = (letter: string): string => `const { LineWriter } = await import(${JSON.stringify(MODULE)})
    const lines = new LineWriter(1)
    for (let at = 0; at < 3000; at++) { lines.write('${letter}'.repeat(100 + at % 200) + '\\n'); if (at % 100 === 0) await new Promise(setImmediate) }`
  const shell = `"$0" --input-type=module -e "$1" & "$0" --input-type=module -e "$2" & wait`
  const child = spawn('sh', ['-c', shell, process.execPath, script('a'), script('b')], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  for await (const piece of child.stdout) {
    output += piece
    await delay(1)
  }
  const read = output.split('\n')
  t.equal(read.pop(), '')
  t.equal(read.length, 6_000)
  t.same(
    read.filter((line) => !/^(?:a+|b+)$/.test(line)),
    []
  )
})

t.test('a piece ends with a line', async (t) => {
  const chunk = Buffer.from('aaa\nbb\ncccccccc\nd\n')
  const ends: number[] = []
  for (let from = 0; from < chunk.length; from = ends.at(-1) ?? 0) ends.push(pieceEnd(chunk, from, 7))
  t.same(ends, [7, 16, 18])
})

async function outputOf(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  for await (const piece of child.stdout) output += piece
  return output
}

/** `npm run bench -- NAME [--json] [--help]`: installs what is missing, runs one benchmark, prints its table. */
import { existsSync, globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isCellwayError } from '@cellway/base'
import { palette, table, terminalOutput } from '../../deploy/local/src/console.ts'
import { errorPage } from '../../deploy/local/src/page.ts'
import { ensurePrograms, type Program, pathWith, SERVER_PROGRAMS, TEST_PROGRAMS } from '../../deploy/local/src/system-packages.ts'

/** What `run` of a benchmark returns; its last line with `--json`. */
export interface BenchResult {
  readonly name: string
  readonly ours: Readonly<Record<string, unknown>>
  readonly peer: Readonly<Record<string, unknown>>
  /** ours / peer, medians. */
  readonly ratio: Readonly<Record<string, number>>
  readonly rounds: unknown
  readonly machine: unknown
}

/** A module `./NAME.ts`. */
interface Bench {
  readonly run: (options: { readonly json: boolean; readonly args: readonly string[] }) => Promise<BenchResult>
  /** Programs of the machine it needs, by name; they are installed where that is possible. */
  readonly needs?: readonly string[]
  /** One sentence, for `--help`. */
  readonly summary?: string
}

const HERE = fileURLToPath(new URL('.', import.meta.url))
const BIN = join(HERE, '..', '..', '.cellway', 'bin')

process.exitCode = await main(process.argv.slice(2))
process.exit()

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name.startsWith('-')) {
    process.stdout.write(await help())
    return name === undefined || name === '--help' || name === '-h' ? 0 : 2
  }
  if (!/^[a-z-]+$/.test(name) || !existsSync(join(HERE, `${name}.ts`)) || name === 'main') {
    process.stdout.write(`There is no benchmark ${name}.\n\n${await help()}`)
    return 2
  }
  return runBench(name, { json: rest.includes('--json'), args: rest.filter((arg) => arg !== '--json') })
}

async function runBench(name: string, { json, args }: { json: boolean; args: readonly string[] }): Promise<number> {
  const paint = palette(terminalOutput(process.stdout).color)
  try {
    const bench = await load(name)
    await ensurePrograms(programsOf(bench.needs ?? []), { binFolder: BIN, say: (line) => process.stderr.write(`${line}\n`) })
    process.env.PATH = pathWith(BIN)
    const result = await bench.run({ json, args })
    process.stdout.write(`\n${tableOf(result, paint)}\n`)
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`)
    return 0
  } catch (error) {
    process.stderr.write(isCellwayError(error) ? errorPage(error, paint) : `${error instanceof Error ? error.stack : String(error)}\n`)
    return 1
  }
}

async function load(name: string): Promise<Bench> {
  return (await import(`./${name}.ts`)) as Bench
}

async function help(): Promise<string> {
  const names = globSync('*.ts', { cwd: HERE })
    .map((file) => basename(file, '.ts'))
    .filter((name) => name !== 'main' && !name.includes('.'))
    .sort()
  const known = await Promise.all(names.map(async (name) => ({ name, bench: await load(name) })))
  const lines = known
    .filter(({ bench }) => typeof bench.run === 'function')
    .map(({ name, bench }) => `  ${name.padEnd(16)}${bench.summary ?? ''}`.trimEnd())
  return `npm run bench -- NAME [--json]\n\n--json prints one JSON object as the last line.\n\n${lines.join('\n')}\n`
}

function programsOf(names: readonly string[]): readonly Program[] {
  return [...SERVER_PROGRAMS, ...TEST_PROGRAMS].filter(({ name }) => names.includes(name))
}

/** Measures as rows; what is neither number nor text is left to the JSON. */
function tableOf({ name, ours, peer, ratio }: BenchResult, paint: ReturnType<typeof palette>): string {
  const rows = [...rowsOf('ours', ours), ...rowsOf('peer', peer), ...rowsOf('ratio (ours / peer)', ratio)]
  return table([['', name, ''], ...rows], paint)
}

function rowsOf(title: string, values: Readonly<Record<string, unknown>>): string[][] {
  return Object.entries(values).flatMap(([measure, value]) => {
    if (typeof value === 'object' && value !== null) return rowsOf(title, prefixed(measure, value))
    return [[title, measure, typeof value === 'number' ? number(value) : String(value)]]
  })
}

function prefixed(measure: string, value: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([inner, content]) => [`${measure}.${inner}`, content as unknown]))
}

function number(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : value.toPrecision(4)
}

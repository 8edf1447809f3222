/** `npm test`: installs what is missing, then types, format, lint and every test; closes with `N passed, N failed`. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isCellwayError } from '@cellway/base'
import { palette, terminalOutput } from '../deploy/local/src/console.ts'
import { errorPage } from '../deploy/local/src/page.ts'
import { ensurePrograms, pathWith, SERVER_PROGRAMS, TEST_PROGRAMS } from '../deploy/local/src/system-packages.ts'
import { createReporter, type Reporter, summaryOf } from './runner/report.ts'
import { runStaticChecks } from './runner/static-checks.ts'
import { ensureTapBuilt } from './runner/tap-build.ts'
import { type FileResult, runTestFile } from './runner/tap-file.ts'
import { findTestFiles, type TestFile } from './runner/test-files.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const BIN = join(ROOT, '.cellway', 'bin')
const JOBS_MAX = 4
const HELP = `npm test                    types, format, lint and every test
npm test -- PATTERN…        only the test files whose path contains one of the patterns
npm test -- --fast          without integration, e2e and fault tests
npm test -- --jobs N        test files at a time where that is possible (default: one per core, at most ${JOBS_MAX})
`

process.exitCode = await main(process.argv.slice(2))
process.exit()

async function main(argv: readonly string[]): Promise<number> {
  const output = terminalOutput(process.stdout)
  const reporter = createReporter(output)
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { fast: { type: 'boolean', default: false }, jobs: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } }
  })
  if (values.help) {
    output.write(HELP)
    return 0
  }
  try {
    const everything = positionals.length === 0
    await prepare({ everything: everything && !values.fast, say: reporter.line })
    const files = findTestFiles(ROOT, { patterns: positionals, fast: values.fast })
    const jobs = Number(values.jobs ?? Math.min(availableParallelism(), JOBS_MAX))
    const results = [...(everything ? await staticChecks(reporter) : []), ...(await runFiles(files, { jobs, reporter }))]
    return conclude(results, reporter)
  } catch (error) {
    output.write(isCellwayError(error) ? errorPage(error, palette(output.color)) : `${error instanceof Error ? error.stack : String(error)}\n`)
    reporter.line('0 passed, 1 failed')
    return 1
  }
}

/** Servers for the tests; on a full run also what they compare us with. */
async function prepare({ everything, say }: { everything: boolean; say: (line: string) => void }): Promise<void> {
  await ensurePrograms(everything ? [...SERVER_PROGRAMS, ...TEST_PROGRAMS] : SERVER_PROGRAMS, { binFolder: BIN, say })
  await ensureTapBuilt(ROOT, say)
}

async function staticChecks(reporter: Reporter): Promise<FileResult[]> {
  const results = await runStaticChecks(ROOT)
  for (const result of results) reporter.file(result)
  return results
}

async function runFiles(files: readonly TestFile[], { jobs, reporter }: { jobs: number; reporter: Reporter }): Promise<FileResult[]> {
  const together = files.filter(({ alone }) => !alone)
  const alone = files.filter((file) => file.alone)
  return [...(await inLanes(together, { lanes: jobs, reporter })), ...(await inLanes(alone, { lanes: 1, reporter }))]
}

async function inLanes(files: readonly TestFile[], { lanes, reporter }: { lanes: number; reporter: Reporter }): Promise<FileResult[]> {
  const env = { ...process.env, PATH: pathWith(BIN) }
  const waiting = [...files]
  const results: FileResult[] = []
  const lane = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runTestFile(file, { root: ROOT, env })
      reporter.file(result)
      results.push(result)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, lanes) }, lane))
  return results
}

function conclude(results: readonly FileResult[], reporter: Reporter): number {
  const broken = results.filter(({ failures }) => failures.length > 0)
  if (broken.length > 0) reporter.line(`\nFailed: ${broken.map(({ path }) => path).join(', ')}`)
  if (results.length === 0) reporter.line('\nNo test file matches.')
  const { text, ok } = summaryOf(results)
  reporter.line(`\n${text}`)
  return ok ? 0 : 1
}

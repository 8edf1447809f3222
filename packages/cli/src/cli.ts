import { CommanderError } from 'commander'
import { usage } from './errors.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { createProgram, globalsOf, type Runner } from './program.ts'
import { errorDocument, renderError } from './render/error.ts'
import type { Terminal } from './terminal.ts'

/** Runs one command line and returns its exit code. @throws never */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let exit: ExitCode = EXIT.done
  const run: Runner = async (work, command) => {
    const globals = globalsOf(command)
    const outcome = await work({ terminal, globals })
    if (globals.output === 'json' && outcome.json !== undefined) terminal.out(JSON.stringify(outcome.json, null, 2))
    else if (outcome.text !== '') terminal.out(outcome.text)
    exit = outcome.exit
  }
  try {
    await createProgram(terminal, run).parseAsync([...argv], { from: 'user' })
    return exit
  } catch (error) {
    return fail(error, argv, terminal)
  }
}

const SHOWN = ['commander.helpDisplayed', 'commander.version', 'commander.help']

function fail(error: unknown, argv: readonly string[], terminal: Terminal): ExitCode {
  if (error instanceof CommanderError && SHOWN.includes(error.code)) return error.code === 'commander.help' ? EXIT.failed : EXIT.done
  const shown =
    error instanceof CommanderError ? usage({ problem: error.message.replace(/^error: /, ''), fix: 'add --help to see how it is used' }) : error
  const code = exitCodeOf(shown)
  terminal.progressDone()
  if (wantsJson(argv)) terminal.out(JSON.stringify(errorDocument(shown, code), null, 2))
  else terminal.err(renderError(shown, terminal.paint))
  return code
}

/** Also of a line that could not be parsed. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (arg, at) => arg === '-ojson' || arg === '-o=json' || arg === '--output=json' || ((arg === '-o' || arg === '--output') && argv[at + 1] === 'json')
  )
}

import { createProgress, type Output, palette, terminalOutput } from './console.ts'
import { detach, parentOutput } from './detach.ts'
import { HELP, type Options, parseOptions } from './options.ts'
import { errorPage } from './page.ts'
import { runStart } from './start.ts'
import { holdDown, letUp, showStatus, stopRun } from './steer.ts'

process.exitCode = await main(process.argv.slice(2))
// A start that failed half way may hold sockets open; what has to be stopped is stopped by now.
process.exit()

/** 0 done; 1 failed; 2 used wrongly. */
async function main(argv: readonly string[]): Promise<number> {
  const output = process.send === undefined ? terminalOutput(process.stdout) : parentOutput()
  let options: Options
  try {
    options = parseOptions(argv)
  } catch (error) {
    output.write(`${errorPage(error, palette(output.color))}`)
    return 2
  }
  try {
    return await run(options, output)
  } catch (error) {
    output.write(`\n${errorPage(error, palette(output.color))}`)
    return 1
  }
}

async function run(options: Options, output: Output): Promise<number> {
  const progress = createProgress(output)
  switch (options.command) {
    case 'help':
      output.write(HELP)
      return 0
    case 'start':
      return options.detach ? detach(options, output) : runStart(options, { output, progress })
    case 'stop':
      return stopRun(options, progress)
    case 'status':
      return showStatus(options, output)
    case 'down':
      return holdDown(options, progress)
    case 'up':
      return letUp(options, progress)
  }
}

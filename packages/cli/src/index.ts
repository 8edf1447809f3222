export { runCli } from './cli.ts'
export { EXIT, type ExitCode } from './exit-codes.ts'
export type { Terminal } from './terminal.ts'
export { processTerminal } from './terminal.ts'

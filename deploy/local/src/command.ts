import { spawn } from 'node:child_process'
import { commandFailed } from './errors.ts'

interface CommandOptions {
  readonly timeoutMs: number
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Called with each line as it comes; without it output is only kept for the error. */
  readonly onLine?: (line: string) => void
}

/** Of a command that fails, the end is what tells why. */
const OUTPUT_CHARS_MAX = 8_000

/** Runs a command to its end. Returns what it printed (the last 8,000 characters). @throws LOCAL_COMMAND_FAILED with its output */
export async function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const { timeoutMs, onLine, ...spawnOptions } = options
  const child = spawn(command, args, { ...spawnOptions, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' })
  let output = ''
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX)
    if (onLine !== undefined) for (const line of chunk.toString().split('\n')) if (line.trim() !== '') onLine(line.trim())
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const ending = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  if (ending !== 'exit code 0') throw commandFailed({ command: [command, ...args].join(' '), ending, output: output.trim() })
  return output
}

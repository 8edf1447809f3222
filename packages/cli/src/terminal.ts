import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { text as readAll } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { stripVTControlCharacters, styleText } from 'node:util'
import { type Paint, plain } from './render/text.ts'

/** The world around a command, so that commands are functions that tests can call. */
export interface Terminal {
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  /** Whether a person sees the output and can be asked. */
  readonly isInteractive: boolean
  readonly paint: Paint
  /** Results. */
  out(text: string): void
  /** Everything that is not the result: questions, progress, warnings. */
  err(text: string): void
  /** Shows a line that the next one replaces; without a terminal only lines that differ are printed. */
  progress(line: string): void
  /** Ends the progress line. */
  progressDone(): void
  clear(): void
  ask(question: string): Promise<string>
  readStdin(): Promise<string>
  sleep(ms: number): Promise<void>
  nowMs(): number
}

export function processTerminal(signal: AbortSignal): Terminal {
  const { stdin, stdout, stderr } = process
  let shown = ''
  return {
    env: process.env,
    cwd: process.cwd(),
    signal,
    isInteractive: stdin.isTTY === true && stderr.isTTY === true,
    paint: stdout.isTTY === true && !process.env.NO_COLOR ? (tone, text) => styleText(tone, text) : plain,
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    progress: (line) => {
      if (line === shown) return
      shown = line
      if (stderr.isTTY) stderr.write(`\r\u001b[K${stripVTControlCharacters(line).slice(0, Math.max(20, stderr.columns - 1))}`)
      else stderr.write(`${line}\n`)
    },
    progressDone: () => {
      if (stderr.isTTY && shown !== '') stderr.write('\r\u001b[K')
      shown = ''
    },
    clear: () => {
      if (stdout.isTTY) stdout.write('\u001b[H\u001b[2J\u001b[3J')
    },
    ask: async (question) => {
      const lines = createInterface({ input: stdin, output: stderr })
      try {
        return await lines.question(question, { signal })
      } finally {
        lines.close()
      }
    },
    readStdin: () => readAll(stdin),
    sleep: async (ms) => {
      await delay(ms, undefined, { signal })
    },
    nowMs: () => Date.now()
  }
}

/** `npm run` changes the folder; a path that the user typed is meant from where they stood. */
export function resolveFile(terminal: Terminal, file: string): string {
  const here = resolve(terminal.cwd, file)
  const start = terminal.env.INIT_CWD
  return start === undefined || existsSync(here) ? here : resolve(start, file)
}

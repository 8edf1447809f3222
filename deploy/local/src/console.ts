/** What the terminal shows. Plain text without a terminal; colours only on one, and never with NO_COLOR. */

export interface Output {
  write(text: string): void
  readonly color: boolean
  /** Whether a line may be written over. */
  readonly live: boolean
}

export interface Progress {
  /** Runs one step and prints its line when it ends; steps may run at the same time. */
  step<Value>(name: string, run: (note: (text: string) => void) => Promise<Value>): Promise<Value>
  /** A line of its own between the steps. */
  say(line: string): void
}

type Paint = (text: string) => string
export interface Palette {
  readonly bold: Paint
  readonly dim: Paint
  readonly green: Paint
  readonly red: Paint
  readonly cyan: Paint
}

const NAME_WIDTH = 36
const NOTE_WIDTH = 36
const ERASE_LINE = '\r\x1b[2K'

export function terminalOutput(stream: NodeJS.WriteStream): Output {
  const terminal = stream.isTTY === true
  return {
    write: (text) => void stream.write(text),
    color: terminal && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
    live: terminal && process.env.TERM !== 'dumb'
  }
}

export function palette(color: boolean): Palette {
  const paint = (code: number): Paint => (color ? (text) => `\x1b[${code}m${text}\x1b[0m` : (text) => text)
  return { bold: paint(1), dim: paint(2), green: paint(32), red: paint(31), cyan: paint(36) }
}

export function createProgress(output: Output): Progress {
  const paint = palette(output.color)
  const running = new Set<string>()
  const line = (text: string) => output.write(`${output.live ? ERASE_LINE : ''}${text}\n`)
  const showRunning = () => {
    if (output.live && running.size > 0) output.write(`${ERASE_LINE}  ${paint.dim(`… ${[...running].join(', ')}`.slice(0, 76))}`)
  }
  return {
    async step(name, run) {
      const startedAt = performance.now()
      let note = ''
      running.add(name)
      showRunning()
      const done = (mark: string) => {
        running.delete(name)
        line(`  ${mark} ${name.padEnd(NAME_WIDTH)} ${paint.dim(note.padEnd(NOTE_WIDTH))} ${paint.dim(seconds(performance.now() - startedAt))}`)
        showRunning()
      }
      try {
        const value = await run((text) => {
          note = text
        })
        done(paint.green('✔'))
        return value
      } catch (error) {
        done(paint.red('✘'))
        throw error
      }
    },
    say(text) {
      line(text)
      showRunning()
    }
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`.padStart(7)
}

/** Columns as wide as their widest cell; the first row is the head. */
export function table(rows: readonly (readonly string[])[], paint: Palette): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const lines = rows.map((row) => `  ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join('   ')}`.trimEnd())
  return lines.map((text, index) => (index === 0 ? paint.dim(text) : text)).join('\n')
}

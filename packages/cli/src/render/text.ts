/** Pure helpers for what people read in a terminal. */

export type Tone = 'bold' | 'dim' | 'red' | 'yellow' | 'green'
/** Colours a text, or does nothing where colours are not wanted. */
export type Paint = (tone: Tone, text: string) => string
export const plain: Paint = (_tone, text) => text

/** Names, reasons and error texts come from other people: nothing in them may move the cursor or hide itself. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`)
}

const COLOURS = /\u001b\[[0-9;]*m/g
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\uff01-\uff60\u3000-\u303f]/u

/** Columns a text takes; Chinese takes two per character, combining marks none. */
export function displayWidth(text: string): number {
  let width = 0
  for (const char of text.replace(COLOURS, '')) {
    if (/\p{M}/u.test(char)) continue
    width += WIDE.test(char) ? 2 : 1
  }
  return width
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

const GAP = '  '

/** A header and aligned rows; no trailing blanks, so that output can be compared and copied. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], paint: Paint = plain): string {
  const widths = columns.map(({ title }, at) => Math.max(displayWidth(title), ...rows.map((row) => displayWidth(row[at] ?? ''))))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => {
        const width = widths[at] ?? 0
        return columns[at]?.align === 'right' ? ' '.repeat(Math.max(0, width - displayWidth(cell))) + cell : padEnd(cell, width)
      })
      .join(GAP)
      .trimEnd()
  const header = line(columns.map(({ title }) => title))
  return [paint('dim', header), ...rows.map(line)].join('\n')
}

export function indent(text: string, by = '  '): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? line : by + line))
    .join('\n')
}

/** `3 buckets`, `1 bucket`. */
export function count(amount: number, noun: string): string {
  return `${amount.toLocaleString('en-US')} ${amount === 1 ? noun : `${noun}s`}`
}

/** A bar of `width` columns; anything above zero shows at least a sliver, anything below one stays short of full. */
export function bar(fraction: number, width: number): string {
  const bounded = Math.min(1, Math.max(0, fraction))
  let full = Math.round(bounded * width)
  if (bounded > 0 && full === 0) full = 1
  if (bounded < 1 && full === width) full = width - 1
  return '█'.repeat(full) + '░'.repeat(width - full)
}

export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`
}

/** `80 ms`, `1.2 s`, `12 s`, `1 m 40 s`, `3 h 2 m`, `5 d 1 h`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return pair(seconds, 60, 'm', 's')
  if (seconds < 86_400) return pair(Math.floor(seconds / 60), 60, 'h', 'm')
  return pair(Math.floor(seconds / 3600), 24, 'd', 'h')
}

function pair(amount: number, per: number, large: string, small: string): string {
  const rest = amount % per
  return rest === 0 ? `${amount / per} ${large}` : `${Math.floor(amount / per)} ${large} ${rest} ${small}`
}

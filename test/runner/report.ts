import { palette } from '../../deploy/local/src/console.ts'
import type { FileResult } from './tap-file.ts'

export interface Reporter {
  file(result: FileResult): void
  line(text: string): void
}

const PATH_WIDTH = 64

export function createReporter({ write, color }: { readonly write: (text: string) => void; readonly color: boolean }): Reporter {
  const paint = palette(color)
  return {
    line: (text) => write(`${text}\n`),
    file({ path, passed, skipped, failures, tookMs }) {
      const counts = [
        `${passed} passed`,
        ...(failures.length > 0 ? [`${failures.length} failed`] : []),
        ...(skipped > 0 ? [`${skipped} skipped`] : [])
      ]
      const mark = failures.length > 0 ? paint.red('✘') : paint.green('✔')
      write(`${mark} ${path.padEnd(PATH_WIDTH)} ${paint.dim(`${counts.join(', ')}  ${(tookMs / 1000).toFixed(1)} s`)}\n`)
      for (const { name, detail } of failures) {
        write(`    ${paint.red(name)}\n`)
        for (const text of detail.split('\n').filter((part) => part !== '')) write(`      ${text}\n`)
      }
    }
  }
}

/** The last line of a run: `N passed, N failed`, with `, N skipped` when there are any. */
export function summaryOf(results: readonly FileResult[]): { readonly text: string; readonly ok: boolean } {
  const passed = sum(results.map((result) => result.passed))
  const failed = sum(results.map((result) => result.failures.length))
  const skipped = sum(results.map((result) => result.skipped))
  // A run that checked nothing has proved nothing.
  return { text: `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`, ok: failed === 0 && passed > 0 }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0)
}

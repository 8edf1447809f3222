import type { ControlClient } from '@cellway/client'
import { type Output, palette, seconds } from '../console.ts'
import type { CellLayout, RunLayout } from '../layout.ts'
import type { Supervisor } from '../supervisor.ts'

export interface SmokeContext {
  readonly layout: RunLayout
  /** The first cell, which also owns the global data. */
  readonly first: CellLayout
  readonly supervisor: Supervisor
  readonly client: ControlClient
  readonly signal: AbortSignal
}

/** What a check has seen, in figures; a check that does not hold throws. */
export interface Check {
  readonly name: string
  readonly run: (context: SmokeContext) => Promise<string>
}

export interface Chapter {
  readonly title: string
  readonly checks: readonly Check[]
}

const NAME_WIDTH = 66

/** Number of checks that did not hold. Later checks run all the same: one line per truth. */
export async function runChapters(chapters: readonly Chapter[], context: SmokeContext, output: Output): Promise<number> {
  const paint = palette(output.color)
  let failed = 0
  for (const { title, checks } of chapters) {
    output.write(`\n${paint.bold(title)}\n`)
    for (const { name, run } of checks) {
      context.signal.throwIfAborted()
      const startedAt = performance.now()
      const took = () => paint.dim(seconds(performance.now() - startedAt))
      try {
        const figures = await run(context)
        output.write(`  ${paint.green('✔')} ${name.padEnd(NAME_WIDTH)} ${took()}  ${paint.dim(figures)}\n`)
      } catch (error) {
        context.signal.throwIfAborted()
        failed += 1
        output.write(`  ${paint.red('✘')} ${name.padEnd(NAME_WIDTH)} ${took()}  ${error instanceof Error ? error.message : String(error)}\n`)
      }
    }
  }
  return failed
}

/** @throws with the text, which says what was seen instead */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise)
}

export function same<Value>(seen: Value, wanted: Value, what: string): void {
  expect(seen === wanted, `${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`)
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ApplierOrder, ApplierReport } from './applier-process.ts'

const MAIN = fileURLToPath(new URL('applier-process.ts', import.meta.url))

export interface ApplierChild {
  readonly process: ChildProcess
  /** The report, or what it said instead; undefined if it was killed. */
  readonly report: Promise<(ApplierReport & { readonly failed?: { readonly code?: string; readonly details?: Record<string, unknown> } }) | undefined>
  kill(): Promise<void>
}

/** Resolves when it has begun to apply. */
export async function startApplierProcess(order: ApplierOrder, execArgv: readonly string[] = []): Promise<ApplierChild> {
  const child = spawn(process.execPath, [...execArgv, MAIN, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const begun = Promise.withResolvers<void>()
  const report = (async () => {
    let last = ''
    for await (const line of lines) {
      if (line === 'applying') begun.resolve()
      else last = line
    }
    await exited
    begun.resolve()
    return last === '' ? undefined : (JSON.parse(last) as ApplierReport)
  })()
  await begun.promise
  return {
    process: child,
    report,
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    }
  }
}

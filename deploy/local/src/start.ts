/** The life of a supervisor: claim, start, page, wait, stop. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { claimRun } from './claim.ts'
import { type Output, type Progress, palette } from './console.ts'
import { tellReady } from './detach.ts'
import { filesOf, layoutOf, type RunLayout } from './layout.ts'
import type { Options } from './options.ts'
import { readyPage } from './page.ts'
import { startRun } from './run.ts'
import { runSmoke } from './smoke/smoke.ts'
import { Supervisor } from './supervisor.ts'

interface Terminal {
  readonly output: Output
  readonly progress: Progress
}

/**
 * One press of Ctrl-C arrives as several signals: from the terminal to the whole group, and forwarded by npm and by the
 * bootstrap. Only what comes later than this is a second press.
 */
const SAME_PRESS_MS = 1_000

export async function runStart(options: Options, { output, progress }: Terminal): Promise<number> {
  const layout = layoutOf(options)
  const interruption = new AbortController()
  const startedAt = performance.now()
  const release = await claimRun(layout, progress.say)
  try {
    if (options.fresh) forget(layout)
    const files = filesOf(layout)
    // Marks of an earlier run would keep processes down that nobody remembers.
    rmSync(files.down, { recursive: true, force: true })
    const supervisor = new Supervisor({ processesFile: files.processes, downFolder: files.down, say: (line) => progress.say(`  ${line}`) })
    onInterrupt(supervisor, interruption, progress)
    try {
      const starting = startRun({ layout, workers: options.workers, supervisor, progress, signal: interruption.signal })
      const shares = await Promise.race([starting, interrupted(interruption.signal)])
      if (options.smoke) return await runSmoke({ layout, supervisor, output, signal: interruption.signal })
      output.write(readyPage({ layout, shares, tookMs: performance.now() - startedAt, detached: options.supervised }, palette(output.color)))
      await tellReady()
      await aborted(interruption.signal)
      return 0
    } catch (error) {
      if (!interruption.signal.aborted) throw error
      return 130
    } finally {
      if (!interruption.signal.aborted) progress.say('')
      await progress.step('stopping everything', () => supervisor.stopAll())
    }
  } finally {
    release()
  }
}

function onInterrupt(supervisor: Supervisor, interruption: AbortController, progress: Progress): void {
  let firstAt = 0
  const interrupt = () => {
    if (!interruption.signal.aborted) {
      firstAt = performance.now()
      progress.say('')
      interruption.abort(new Error('interrupted'))
    } else if (performance.now() - firstAt > SAME_PRESS_MS) {
      progress.say('  killing what still runs')
      supervisor.killAll()
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
}

/** `--fresh`: everything of the last run but our claim on the folder. */
function forget(layout: RunLayout): void {
  for (const name of ['cells', 'control', 'center', 'secrets', 'config', 'topology.yaml', 'topology.generated']) {
    rmSync(join(layout.folder, name), { recursive: true, force: true })
  }
}

async function interrupted(signal: AbortSignal): Promise<never> {
  await aborted(signal)
  throw signal.reason
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Commands about a run that another process supervises: they find it by its files, and signal only who they recognise. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { stopLeftovers } from './claim.ts'
import { type Output, type Progress, palette, table } from './console.ts'
import { notRunning, processUnknown } from './errors.ts'
import { filesOf, type RunLayout, runFolder } from './layout.ts'
import { aliveRuns, withdrawLocalJson } from './local-json.ts'
import type { Options } from './options.ts'
import { isRunning, type RunProcesses, readProcesses, signalProcess, waitUntilGone } from './processes.ts'
import { clearDown, markDown, stopGroup } from './supervisor.ts'

type Place = Pick<RunLayout, 'root' | 'folder' | 'basePort'>

/** The supervisor stops tier after tier; each has its own deadline below this. */
const STOP_MS = 90_000
const DOWN_MS = 20_000

export async function stopRun(options: Options, progress: Progress): Promise<number> {
  const place = chooseRun(options)
  const processes = readProcesses(filesOf(place).processes)
  if (processes === undefined) {
    progress.say(`Nothing runs on base port ${place.basePort}.${elsewhere(options)}`)
    return 0
  }
  await progress.step(`stopping the run on base port ${place.basePort}`, async () => {
    if (signalProcess(processes.supervisor, 'SIGTERM')) await waitUntilGone(processes.supervisor, STOP_MS)
    // Only when the supervisor was killed, or hangs, is anything left.
    signalProcess(processes.supervisor, 'SIGKILL')
    await stopLeftovers(place, progress.say)
    withdrawLocalJson(place)
    rmSync(filesOf(place).processes, { force: true })
  })
  return 0
}

export async function showStatus(options: Options, output: Output): Promise<number> {
  const place = chooseRun(options)
  const processes = readProcesses(filesOf(place).processes)
  if (processes === undefined || !isRunning(processes.supervisor)) {
    output.write(`Nothing runs on base port ${place.basePort}.${elsewhere(options)}\n`)
    return 1
  }
  const rows = Object.entries(processes.children).map(([name, child]) => [
    name,
    String(child.pid),
    isRunning(child) ? 'running' : 'ended',
    String(child.restarts),
    join(filesOf(place).logs, `${name.replaceAll('/', '-')}.log`)
  ])
  output.write(`Run on base port ${place.basePort}, supervisor pid ${processes.supervisor.pid}\n\n`)
  output.write(`${table([['process', 'pid', 'state', 'restarts', 'log'], ...rows], palette(output.color))}\n`)
  return 0
}

/** @throws LOCAL_NOT_RUNNING, LOCAL_PROCESS_UNKNOWN */
export async function holdDown(options: Options, progress: Progress): Promise<number> {
  const place = chooseRun(options)
  const processes = requireRunning(place)
  for (const name of options.names) {
    const child = processes.children[name]
    if (child === undefined) throw processUnknown({ process: name, fix: `one of ${Object.keys(processes.children).join(', ')}` })
    markDown(filesOf(place).down, name)
    await progress.step(`${name} down`, () => stopGroup(child, { signal: 'SIGTERM', timeoutMs: DOWN_MS }))
  }
  return 0
}

/** @throws LOCAL_NOT_RUNNING */
export async function letUp(options: Options, progress: Progress): Promise<number> {
  const place = chooseRun(options)
  requireRunning(place)
  for (const name of options.names) {
    clearDown(filesOf(place).down, name)
    progress.say(`  ${name} may run again`)
  }
  return 0
}

/** The base port that was given; else the default's run, or the only one that is alive. */
function chooseRun({ root, basePort, basePortGiven }: Options): Place {
  const alive = aliveRuns(root)
  const [only] = alive
  const chosen = !basePortGiven && !alive.includes(basePort) && alive.length === 1 && only !== undefined ? only : basePort
  return { root, basePort: chosen, folder: runFolder(root, chosen) }
}

function requireRunning(place: Place): RunProcesses {
  const processes = readProcesses(filesOf(place).processes)
  if (processes !== undefined && isRunning(processes.supervisor)) return processes
  throw notRunning({ basePort: place.basePort, fix: `start it with \`npm start\`, or name another one with --base-port` })
}

function elsewhere({ root }: Options): string {
  const alive = aliveRuns(root)
  return alive.length === 0 ? '' : ` Runs are on base port ${alive.join(', ')}: give --base-port.`
}

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { OPEN_LOOP_MAIN, type OpenLoopResult } from './open-loop.ts'
import { CONNECTIONS, type Contender, LOAD_CORE, type ProxyName } from './proxies.ts'
import { round } from './statistics.ts'

const run = promisify(execFile)

export interface LatencyRounds {
  readonly perSecond: number
  /** One entry per round: through the proxy minus direct, at the same rate and next to each other in time. */
  readonly addedMsP50: readonly number[]
  readonly addedMsP99: readonly number[]
}

export interface LatencyOptions {
  readonly direct: number
  readonly proxies: readonly Contender[]
  readonly rounds: number
  readonly seconds: number
  readonly perSecondOf: (name: ProxyName) => number
  readonly tell: (text: string) => void
}

/** Added latency at a constant rate. Each proxied run has a direct run right before it, at the same rate. */
export async function measureLatency(options: LatencyOptions): Promise<Readonly<Record<ProxyName, LatencyRounds>>> {
  const { direct, proxies, rounds, seconds, perSecondOf, tell } = options
  const collected = new Map<ProxyName, { perSecond: number; addedMsP50: number[]; addedMsP99: number[] }>()
  for (let number = 1; number <= rounds; number++) {
    const parts: string[] = []
    for (const { name, port } of proxies) {
      const perSecond = perSecondOf(name)
      const before = await openLoop(direct, perSecond, seconds)
      const through = await openLoop(port, perSecond, seconds)
      const entry = collected.get(name) ?? { perSecond, addedMsP50: [], addedMsP99: [] }
      entry.addedMsP50.push(through.p50Ms - before.p50Ms)
      entry.addedMsP99.push(through.p99Ms - before.p99Ms)
      collected.set(name, entry)
      parts.push(
        `${name} +${round(through.p50Ms - before.p50Ms, 2)} / +${round(through.p99Ms - before.p99Ms, 2)} (direct p99 ${round(before.p99Ms, 2)})`
      )
    }
    tell(`round ${number} of ${rounds}, added ms p50 / p99: ${parts.join(', ')}`)
  }
  const of = (name: ProxyName): LatencyRounds => collected.get(name) ?? { perSecond: 0, addedMsP50: [], addedMsP99: [] }
  return { cellway: of('cellway'), nginx: of('nginx'), haproxy: of('haproxy'), httpProxy: of('httpProxy') }
}

async function openLoop(port: number, perSecond: number, seconds: number): Promise<OpenLoopResult> {
  const args = ['-c', String(LOAD_CORE), process.execPath, OPEN_LOOP_MAIN, ...[port, perSecond, seconds, CONNECTIONS].map(String)]
  const { stdout } = await run('taskset', args, { timeout: seconds * 1000 + 30_000 })
  const result = JSON.parse(stdout) as OpenLoopResult
  if (result.failed > 0) throw new Error(`${result.failed} requests at ${perSecond}/s failed on port ${port}`)
  if (result.counted < perSecond * seconds * 0.5) throw new Error(`only ${result.counted} requests at ${perSecond}/s were answered on port ${port}`)
  return result
}

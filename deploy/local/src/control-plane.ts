/** What a run asks of control: the topology at the first start, tokens for its gateways and replicators. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isCellwayError } from '@cellway/base'
import { type ControlClient, createControlClient } from '@cellway/client'
import { stepFailed } from './errors.ts'
import { filesOf, type RunLayout } from './layout.ts'
import { readSecret, writeSecret } from './secrets.ts'
import { controlUrl, gatewayTokenFile, replicatorTokenFile } from './services.ts'

const REASON = 'start of the local run'

/** As the administrator. @throws LOCAL_STEP_FAILED when control has not written its first token */
export function controlClient(layout: RunLayout): ControlClient {
  return createControlClient({ urls: [controlUrl(layout)], token: adminToken(layout) })
}

export function adminToken(layout: RunLayout): string {
  const file = filesOf(layout).adminToken
  const token = readSecret(file)
  if (token === undefined) throw stepFailed({ step: 'control', problem: `it has not written its first token to ${file}` })
  return token
}

/**
 * Applies our topology the first time, and again only when what we would write has changed (more cells, other instances). In
 * between, control's topology is the user's own. Returns what it did. @throws LOCAL_STEP_FAILED with control's problems
 */
export async function ensureTopology(layout: RunLayout, text: string): Promise<string> {
  await using client = controlClient(layout)
  const current = await currentVersion(client)
  // Remembers what was generated, not what is applied: the user may have applied something else since.
  const mark = join(layout.folder, 'topology.generated')
  const digest = createHash('sha256').update(text).digest('hex')
  if (current > 0 && readSecret(mark) === digest) return `topology version ${current}, as it was`
  const version = await applyTopology(client, text, current)
  const { topology } = filesOf(layout)
  if (existsSync(topology) && readFileSync(topology, 'utf8') !== text) renameSync(topology, `${topology}.old`)
  writeFileSync(topology, text)
  writeFileSync(mark, digest)
  return `topology version ${version} applied`
}

/** One per gateway and replicator, bound to its cell; made once and kept, because control shows a secret only once. */
export async function ensureAgentTokens(layout: RunLayout): Promise<void> {
  await using client = controlClient(layout)
  const wanted = layout.cells.flatMap((cell) => [
    { cell, name: `${cell.name} gateway`, file: gatewayTokenFile(layout, cell) },
    { cell, name: `${cell.name} replicator`, file: replicatorTokenFile(layout, cell) }
  ])
  for (const { cell, name, file } of wanted) {
    if (existsSync(file)) continue
    const { token } = await client.tokens.create({ name, role: 'agent', cell: cell.name })
    if (token === null) throw stepFailed({ step: 'tokens', problem: `control made no secret for ${cell.name}` })
    writeSecret(file, token)
  }
}

/** Per cell, its share of the users' buckets, 0 to 1. */
export async function userShares(layout: RunLayout): Promise<Readonly<Record<string, number>>> {
  await using client = controlClient(layout)
  const { cells } = await client.status()
  return Object.fromEntries(Object.entries(cells).map(([cell, { share }]) => [cell, share]))
}

/** 0 when there is none yet. */
async function currentVersion(client: ControlClient): Promise<number> {
  return (await client.status()).topologyVersion
}

async function applyTopology(client: ControlClient, text: string, current: number): Promise<number> {
  try {
    const { version } = await client.applyTopology({ text, reason: REASON, ifMatch: current })
    return version
  } catch (cause) {
    if (!isCellwayError(cause)) throw cause
    const { problems } = cause.details
    const listed = Array.isArray(problems) ? problems.map((problem) => JSON.stringify(problem)).join('\n') : JSON.stringify(cause.details)
    throw stepFailed(
      { step: 'topology', problem: `${cause.message} (${cause.code}); a run with other cells starts with --fresh\n${listed}` },
      { cause }
    )
  }
}

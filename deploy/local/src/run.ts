/** Starts one run: servers, control, topology, center, replicators, applications, gateways; what does not depend on each other at the same time. */
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import type { Progress } from './console.ts'
import { adminToken, ensureAgentTokens, ensureTopology, userShares } from './control-plane.ts'
import { stepFailed } from './errors.ts'
import { type CellLayout, filesOf, portsOf, type RunLayout } from './layout.ts'
import { localJsonOf, publishLocalJson } from './local-json.ts'
import { APP_USER, loadDemoData, type MariadbCell, mariadbSpec, mariadbTemplate, prepareMariadb } from './mariadb.ts'
import { requireFreePorts } from './ports.ts'
import { redisSpec } from './redis.ts'
import { type CellSecrets, cellSecrets, ensureSecretsFolder, ensureSigningKey, operatorCenterToken } from './secrets.ts'
import { appSpec, centerSpec, controlSpec, gatewaySpec, logFileOf, REPOSITORY, replicatorSpec } from './services.ts'
import type { Supervisor } from './supervisor.ts'
import { ensurePrograms, pathWith, SERVER_PROGRAMS } from './system-packages.ts'
import { topologyText } from './topology.ts'

interface RunOptions {
  readonly layout: RunLayout
  readonly workers: number
  readonly supervisor: Supervisor
  readonly progress: Progress
  readonly signal: AbortSignal
}

interface Prepared extends RunOptions {
  readonly programs: Readonly<Record<string, string>>
  readonly secrets: ReadonlyMap<string, CellSecrets>
}

const HOST = '127.0.0.1'
/** Gateways ask their instances every second; three rounds and some for a machine that is busy starting. */
const FIRST_REQUEST_MS = 20_000
const RETRY_MS = 100

/** Per cell, its share of the users' buckets. @throws LOCAL_*, and what control answers */
export async function startRun(options: RunOptions): Promise<Readonly<Record<string, number>>> {
  const { layout, progress } = options
  await requireFreePorts(portsOf(layout), layout.basePort)
  const programs = await progress.step('servers of this machine', (note) => findServers(layout, note, progress))
  const prepared: Prepared = { ...options, programs, secrets: prepareFolders(layout) }
  const stores = Promise.all([startMysql(prepared), startRedis(prepared)])
  const control = startControl(prepared)
  const center = startCenter(prepared)
  // Each waits for what it needs only; the first failure ends the start, and the caller stops what runs.
  await Promise.all([
    stores.then(() => startApps(prepared)),
    control.then(() => startGateways(prepared)),
    Promise.all([stores, control, center]).then(() => startReplicators(prepared))
  ])
  await progress.step('first request through each gateway', () => Promise.all(layout.cells.map((cell) => firstRequest(cell, options.signal))))
  publishLocalJson(
    layout,
    localJsonOf(layout, { token: adminToken(layout), centerToken: operatorCenterToken(filesOf(layout).secrets).token, secrets: prepared.secrets })
  )
  return userShares(layout)
}

async function findServers(layout: RunLayout, note: (text: string) => void, progress: Progress): Promise<Readonly<Record<string, string>>> {
  const binFolder = join(layout.root, 'bin')
  const programs = await ensurePrograms(SERVER_PROGRAMS, { binFolder, say: progress.say })
  note('MariaDB, Redis')
  return { ...programs, PATH: pathWith(binFolder) }
}

function prepareFolders(layout: RunLayout): ReadonlyMap<string, CellSecrets> {
  const files = filesOf(layout)
  ensureSecretsFolder(files.secrets)
  ensureSigningKey(files.signingKey)
  mkdirSync(files.logs, { recursive: true })
  for (const cell of layout.cells) mkdirSync(cell.folder, { recursive: true })
  // The last run's logs are kept once: the reason why somebody starts again is often in them.
  for (const { name } of processNames(layout)) keepOldLog(logFileOf(layout, name))
  return new Map(layout.cells.map(({ name }) => [name, cellSecrets(files.secrets, name)]))
}

function processNames(layout: RunLayout): readonly { readonly name: string }[] {
  return portsOf(layout).map(({ use }) => ({ name: use }))
}

function keepOldLog(file: string): void {
  if (existsSync(file)) renameSync(file, `${file}.1`)
}

async function startMysql(prepared: Prepared): Promise<void> {
  const { layout, programs, progress, supervisor } = prepared
  const cacheFolder = join(layout.root, 'cache')
  await progress.step(`MariaDB in ${cellsText(layout)}`, async (note) => {
    const fresh = !existsSync(join(layout.cells[0]?.folder ?? '', 'mysql', 'data'))
    const template = await mariadbTemplate({ programs, cacheFolder })
    await eachCell(layout, async (cell) => {
      const options: MariadbCell = {
        cell,
        secrets: secretsOf(prepared, cell),
        programs,
        cacheFolder,
        logFile: logFileOf(layout, `${cell.name}/mysql`)
      }
      await prepareMariadb(options, template)
      await supervisor.start(mariadbSpec(options))
      await loadDemoData(cell, options.secrets, {
        schema: join(REPOSITORY, 'deploy/local/schema.sql'),
        seed: join(REPOSITORY, 'deploy/local/seed.sql')
      })
    })
    note(fresh ? 'new databases, tables, products' : 'existing data')
  })
}

async function startRedis({ layout, programs, progress, supervisor }: Prepared): Promise<void> {
  await progress.step(`Redis in ${cellsText(layout)}`, async () => {
    const program = programs['redis-server'] ?? 'redis-server'
    await eachCell(layout, (cell) => supervisor.start(redisSpec(cell, { program, logFile: logFileOf(layout, `${cell.name}/redis`) })))
  })
}

async function startControl(prepared: Prepared): Promise<void> {
  const { layout, workers, progress, supervisor } = prepared
  await progress.step('control and topology', async (note) => {
    await supervisor.start(controlSpec({ layout, workers }))
    const cells = layout.cells.map((cell) => ({ cell, mysqlUser: APP_USER, mysqlPasswordFile: secretsOf(prepared, cell).mysqlPasswordFile }))
    note(await ensureTopology(layout, topologyText(cells)))
    await ensureAgentTokens(layout)
  })
}

async function startApps(prepared: Prepared): Promise<void> {
  const { layout, workers, progress, supervisor } = prepared
  await progress.step('demo application', async (note) => {
    await eachCell(layout, async (cell) => {
      const specs = cell.ports.apps.map((_, instance) => appSpec({ layout, workers }, cell, { secrets: secretsOf(prepared, cell), instance }))
      await Promise.all(specs.map((spec) => supervisor.start(spec)))
    })
    note(instancesText(layout))
  })
}

async function startGateways({ layout, workers, progress, supervisor }: Prepared): Promise<void> {
  await progress.step('gateways', async () => {
    await eachCell(layout, (cell) => supervisor.start(gatewaySpec({ layout, workers }, cell)))
  })
}

async function startCenter({ layout, workers, secrets, progress, supervisor }: Prepared): Promise<void> {
  await progress.step('center', () => supervisor.start(centerSpec({ layout, workers }, secrets)))
}

/** Ready when each captures its own cell and applies every other one. */
async function startReplicators(prepared: Prepared): Promise<void> {
  const { layout, workers, progress, supervisor } = prepared
  await progress.step('replicators', async () => {
    await eachCell(layout, (cell) => supervisor.start(replicatorSpec({ layout, workers }, cell, secretsOf(prepared, cell))))
  })
}

/** Until the gateway has seen an instance of its cell's application healthy. */
async function firstRequest(cell: CellLayout, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(FIRST_REQUEST_MS)])
  const url = `http://${HOST}:${cell.ports.gateway}/api/whoami`
  for (let last = ''; ; await sleep(RETRY_MS)) {
    if (deadline.aborted) throw stepFailed({ step: `first request to ${url}`, problem: last || 'no answer' })
    try {
      const { statusCode, body } = await request(url, { signal: deadline })
      const text = await body.text()
      if (statusCode === 200) return
      last = `${statusCode} ${text.slice(0, 500)}`
    } catch (error) {
      if (!deadline.aborted) last = error instanceof Error ? error.message : String(error)
    }
  }
}

async function eachCell(layout: RunLayout, run: (cell: CellLayout) => Promise<void>): Promise<void> {
  await Promise.all(layout.cells.map(run))
}

function secretsOf({ secrets }: Prepared, cell: CellLayout): CellSecrets {
  const found = secrets.get(cell.name)
  if (found === undefined) throw stepFailed({ step: 'secrets', problem: `none for ${cell.name}` })
  return found
}

function cellsText(layout: RunLayout): string {
  return layout.cells.length === 1 ? '1 cell' : `${layout.cells.length} cells`
}

function instancesText({ cells }: RunLayout): string {
  const count = cells[0]?.ports.apps.length ?? 0
  return count === 1 ? '1 instance per cell' : `${count} instances per cell`
}

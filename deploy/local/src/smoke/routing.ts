/** Where requests go, and why. */
import { readFileSync } from 'node:fs'
import { encodeContext } from '@cellway/topology'
import { type CellLayout, filesOf } from '../layout.ts'
import { readSecret } from '../secrets.ts'
import { logFileOf } from '../services.ts'
import { type Chapter, expect, type SmokeContext, same } from './checks.ts'
import { type Answer, ask, askAdmin, askRaw, until } from './http.ts'

const USERS = 200
/** Like real ids: spread out, not 1, 2, 3. */
const FIRST_USER = 100_003
const USER_STEP = 7_919
const LANES = 8
const LOG_MS = 5_000
const SIGNATURE_SECONDS = 60

export const routing: Chapter = {
  title: 'Every request reaches the cell that owns its data',
  checks: [
    { name: 'each gateway answers for its own cell', run: ownCells },
    { name: `${USERS} users reach the same cell through each gateway`, run: sameCellEverywhere },
    { name: 'a request at the wrong gateway costs one hop', run: oneHop },
    { name: 'a request that has hopped is not passed on: 421', run: noSecondHop },
    { name: 'explain names rule, key, bucket, owner, on every gateway and control', run: explained },
    { name: 'client copies of internal headers have no effect', run: spoofing },
    { name: 'a wrong, doubled or missing key is refused: 400', run: wrongKeys }
  ]
}

async function ownCells({ layout }: SmokeContext): Promise<string> {
  const answers = await Promise.all(layout.cells.map((cell) => ask(cell, { path: '/api/whoami' })))
  for (const [index, cell] of layout.cells.entries()) same(answers[index]?.body.servedBy, cell.name, `gateway of ${cell.name} is served by`)
  return layout.cells.map(({ name }) => name).join(', ')
}

async function sameCellEverywhere({ layout }: SmokeContext): Promise<string> {
  const counts = new Map<string, number>()
  const check = async (user: number) => {
    const answers = await Promise.all(layout.cells.map((cell) => ask(cell, { path: `/api/users/${user}` })))
    const served = new Set(answers.map(servingCell))
    expect(served.size === 1, `user ${user} is served by ${[...served].join(' and ')}`)
    for (const cell of served) counts.set(cell, (counts.get(cell) ?? 0) + 1)
  }
  const lane = async (offset: number) => {
    for (let user = offset; user < USERS; user += LANES) await check(FIRST_USER + user * USER_STEP)
  }
  await Promise.all(Array.from({ length: LANES }, (_, offset) => lane(offset)))
  return `${USERS * layout.cells.length} requests; users: ${[...counts].map(([cell, count]) => `${cell} ${count}`).join(', ')}`
}

/** The gateways' own logs say how many of them a request has passed. */
async function oneHop({ layout, first }: SmokeContext): Promise<string> {
  const path = `/api/users/hop-${Date.now()}`
  const owner = servingCell(await ask(first, { path }))
  const passed = (cell: CellLayout) => readFileSync(logFileOf(layout, `${cell.name}/gateway`), 'utf8').split(path).length - 1
  let expected = owner === first.name ? 1 : 2
  for (const cell of layout.cells) {
    if (cell !== first) expected += cell.name === owner ? 1 : 2
    if (cell !== first) await ask(cell, { path })
  }
  const total = () => layout.cells.map(passed).reduce((sum, count) => sum + count, 0)
  await until('the log lines', { timeoutMs: LOG_MS, holds: async () => total() >= expected || `${total()} of ${expected}` })
  same(total(), expected, 'gateways passed in total')
  return `${layout.cells.length} requests for one user: ${expected} gateways passed`
}

/** As another cell's gateway that is behind would send it: signed, one hop done, at a cell that does not own the bucket. */
async function noSecondHop({ layout, first }: SmokeContext): Promise<string> {
  const owner = servingCell(await ask(first, { path: '/api/users/42' }))
  const other = layout.cells.find(({ name }) => name !== owner)
  if (other === undefined) return 'only one cell'
  const { bucket } = await bucketOf(first, '/api/users/42')
  const signed = encodeContext(
    { cell: other.name, space: 'users', bucket: bucket.bucket, epoch: bucket.epoch, key: '42', hop: { count: 1, from: owner } },
    { signingKey: signingKey(filesOf(layout).signingKey), expiresAtSeconds: Math.floor(Date.now() / 1000) + SIGNATURE_SECONDS }
  )
  const answer = await ask(other, { path: '/api/users/42', headers: pairs(signed) })
  same(answer.status, 421, `${other.name} answers`)
  return errorCode(answer)
}

async function explained({ layout, first, client }: SmokeContext): Promise<string> {
  const { bucket, text } = await bucketOf(first, '/api/users/42')
  const served = servingCell(await ask(first, { path: '/api/users/42' }))
  same(bucket.owner, served, 'explain and the request disagree: owner')
  for (const word of ['user', 'users', bucket.bucket, served]) expect(text.includes(word), `the text does not say ${word}`)
  for (const cell of layout.cells) same((await bucketOf(cell, '/api/users/42')).bucket.owner, served, `owner at ${cell.name}`)
  const fromControl = await client.explain({ method: 'GET', url: '/api/users/42' })
  same(fromControl.bucket?.bucket, bucket.bucket, 'control says bucket')
  return `user 42 → bucket ${bucket.bucket} → ${served}, epoch ${bucket.epoch}`
}

async function spoofing({ layout, first }: SmokeContext): Promise<string> {
  const honest = await ask(first, { path: '/api/users/42' })
  const stranger = layout.cells.find(({ name }) => name !== servingCell(honest))?.name ?? 'nowhere'
  const spellings = ['X-Cellway-Cell', 'x_cellway_cell', 'x-cellway.cell', 'X-CELLWAY-KEY', 'x-cellway-hop', 'x-cellway-sig']
  let refused = 0
  for (const name of spellings) {
    const raw = await askRaw(first, ['GET /api/users/42 HTTP/1.1', 'Host: localhost', `${name}: ${stranger}`])
    if (/^HTTP\/1\.1 4(00|21)/.test(raw)) refused += 1
    else same(/x-cellway-served-by: (\S+)/i.exec(raw)?.[1], servingCell(honest), `with ${name} the request reaches`)
  }
  const named = await askRaw(first, ['GET /api/whoami HTTP/1.1', 'Host: localhost', 'Connection: x-cellway-cell'])
  expect(named.startsWith('HTTP/1.1 400'), `named in Connection: ${named.split('\r\n')[0]}`)
  return `${spellings.length + 1} spellings: ${refused + 1} refused, ${spellings.length - refused} without effect`
}

async function wrongKeys({ first }: SmokeContext): Promise<string> {
  const leadingZero = await ask(first, { path: '/api/users/0042' })
  same(leadingZero.status, 400, 'leading zero')
  const missing = await ask(first, { path: '/api/events' })
  same(missing.status, 400, 'missing key')
  const unknown = await ask(first, { path: '/api/shops', headers: { 'x-area': 'atlantis' } })
  same(unknown.status, 400, 'unknown area')
  const doubled = await askRaw(first, ['GET /api/shops HTTP/1.1', 'Host: localhost', 'X-Area: bj', 'X-Area: gd'])
  expect(doubled.startsWith('HTTP/1.1 400'), `doubled header: ${doubled.split('\r\n')[0]}`)
  return [leadingZero, missing, unknown].map(errorCode).join(', ')
}

interface Explained {
  readonly bucket: { readonly bucket: string; readonly owner: string; readonly epoch: number }
  readonly text: string
}

/** From the gateway of that cell. */
export async function bucketOf(cell: CellLayout, path: string): Promise<Explained> {
  const { body } = await askAdmin(cell, { method: 'POST', path: '/v1/route/explain', json: { method: 'GET', url: path } })
  expect(typeof body.bucket === 'object' && body.bucket !== null, `explain gives no bucket: ${JSON.stringify(body).slice(0, 200)}`)
  return body as unknown as Explained
}

/** Both must name a cell, and the same one: the gateway in a header, the application in the body. */
export function servingCell({ servedBy, body, status }: Answer): string {
  expect(servedBy !== '' && body.servedBy === servedBy, `${status}: header says "${servedBy}", body says "${String(body.servedBy)}"`)
  return servedBy
}

function errorCode({ body }: Answer): string {
  const error = body.error
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'no code'
}

function signingKey(file: string): Buffer {
  return Buffer.from(readSecret(file) ?? '', 'utf8')
}

function pairs(list: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let at = 0; at < list.length; at += 2) headers[list[at] ?? ''] = list[at + 1] ?? ''
  return headers
}

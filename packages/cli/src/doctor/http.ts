import { type Finding, fail, ok, unknown, warn } from './finding.ts'

/** One bounded call; the doctor never waits for a patient that does not breathe. */
const CALL_MS = 3000
const BODY_BYTES_MAX = 1024 * 1024

export interface HttpAnswer {
  readonly status: number
  readonly body: unknown
}

export async function call(url: string, signal: AbortSignal): Promise<HttpAnswer | { readonly error: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]), redirect: 'manual' })
    const text = (await response.text()).slice(0, BODY_BYTES_MAX)
    return { status: response.status, body: parseJson(text) }
  } catch (error) {
    signal.throwIfAborted()
    return { error: describe(error) }
  }
}

/** What control says should be adopted. */
export interface Wanted {
  readonly version: number
  readonly checksum: string
}

export interface GatewaySnapshot {
  readonly version: number
  readonly checksum: string
  readonly ageMs?: number | undefined
  readonly controlConnected?: boolean | undefined
}

export async function examineGateway(
  cell: string,
  admin: string,
  { wanted, signal }: { wanted: Wanted | undefined; signal: AbortSignal }
): Promise<readonly Finding[]> {
  const subject = `${cell}/gateway`
  const [ready, snapshot] = await Promise.all([call(`${admin}/health/ready`, signal), call(`${admin}/v1/snapshot`, signal)])
  if ('error' in ready) {
    return [
      fail(subject, 'admin listener', {
        measured: ready.error,
        wanted: `an answer from ${admin}`,
        fix: [`curl -sS ${admin}/health/ready`, 'start the gateway again; its log says why it ended']
      })
    ]
  }
  const reason = isRecord(ready.body) && typeof ready.body.reason === 'string' ? `: ${ready.body.reason}` : ''
  const health =
    ready.status === 200
      ? ok(subject, 'ready', 'yes')
      : fail(subject, 'ready', { measured: `status ${ready.status}${reason}`, wanted: 'status 200', fix: [`curl -sS ${admin}/health/ready`] })
  if ('error' in snapshot || !isGatewaySnapshot(snapshot.body)) {
    return [
      health,
      unknown(subject, 'snapshot', {
        measured: 'error' in snapshot ? snapshot.error : `status ${snapshot.status}`,
        fix: [`curl -sS ${admin}/v1/snapshot`]
      })
    ]
  }
  return [health, judgeSnapshot(subject, snapshot.body, wanted), judgeWatch(subject, snapshot.body, admin)]
}

/** Pure. */
export function judgeSnapshot(subject: string, { version, checksum }: GatewaySnapshot, wanted: Wanted | undefined): Finding {
  if (wanted === undefined) return unknown(subject, 'snapshot', { measured: `version ${version}; control does not say which is the newest`, fix: [] })
  const measured = `version ${version}, ${checksum.slice(0, 12)}`
  const expected = `version ${wanted.version}, ${wanted.checksum.slice(0, 12)}`
  if (version === wanted.version && checksum === wanted.checksum) return ok(subject, 'snapshot', measured)
  if (version === wanted.version)
    return fail(subject, 'snapshot', {
      measured,
      wanted: expected,
      fix: ['stop this gateway, remove its snapshot file, start it again: it holds other content under the same version']
    })
  if (version > wanted.version)
    return fail(subject, 'snapshot', {
      measured,
      wanted: expected,
      fix: ['control was restored from an old copy: stop changes and restore a newer one']
    })
  return fail(subject, 'snapshot', {
    measured,
    wanted: expected,
    fix: ['look into the gateway log for a refused snapshot or a broken watch', 'cellway status --watch']
  })
}

function judgeWatch(subject: string, { controlConnected, ageMs }: GatewaySnapshot, admin: string): Finding {
  if (controlConnected === undefined)
    return unknown(subject, 'watch', { measured: 'the gateway does not say', fix: [`curl -sS ${admin}/v1/snapshot`] })
  if (controlConnected) return ok(subject, 'watch', 'connected to control')
  return warn(subject, 'watch', {
    measured: `not connected to control${ageMs === undefined ? '' : `, snapshot confirmed ${Math.round(ageMs / 1000)} s ago`}`,
    wanted: 'connected',
    fix: ['traffic goes on with the last topology; check the control URL and the token file of the gateway']
  })
}

export async function examineApp(cell: string, origin: string, signal: AbortSignal): Promise<Finding> {
  const subject = `${cell}/app`
  const answer = await call(`${origin}/health`, signal)
  const fix = [`curl -sS -i ${origin}/health`, `start this instance again, or take it out of cells.${cell}.apps in the topology`]
  if ('error' in answer) return fail(subject, origin, { measured: answer.error, wanted: 'status 200 from /health', fix })
  if (answer.status < 200 || answer.status > 299)
    return fail(subject, origin, { measured: `status ${answer.status}`, wanted: 'status 200 from /health', fix })
  return ok(subject, origin, 'healthy')
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer within ${CALL_MS / 1000} s`
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function isGatewaySnapshot(value: unknown): value is GatewaySnapshot {
  return isRecord(value) && typeof value.version === 'number' && typeof value.checksum === 'string'
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

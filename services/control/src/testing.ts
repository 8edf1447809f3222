import { createMemoryStore, type Store } from '@cellway/store'
import { createLogger } from '@cellway/telemetry'
import { type Control, startControl } from './control.ts'
import type { Role } from './tokens/token.ts'

/** For tests of this service: a control on free ports, and callers of every role. */
export const EXAMPLE_TOPOLOGY = `
apiVersion: cellway/v1
cells:
  beijing: {region: cn-north, weight: 2, gateway: "http://127.0.0.1:7100", apps: {default: ["http://127.0.0.1:7102"]}}
  shanghai: {region: cn-east, gateway: "http://127.0.0.1:7200", apps: {default: ["http://127.0.0.1:7202"]}}
spaces:
  users: {kind: hash, buckets: 64}
  areas: {kind: list, values: [bj, sh], assign: {bj: beijing, sh: shanghai}}
  global: {kind: single, primary: beijing}
pins:
  users: {"vip-42": shanghai}
routes:
  - {match: {path: /api/orders/**}, space: users, key: [{header: x-user-id}], missing: reject}
`

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export interface CallInit {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** `null` sends none. */
  readonly token?: string | null
}

export type CallControl = (method: string, path: string, init?: CallInit) => Promise<Answer>

export interface TestControl extends AsyncDisposable {
  readonly control: Control
  readonly store: Store
  readonly adminToken: string
  /** As the first admin, unless another token is given. */
  readonly call: CallControl
  token(role: Role, cell?: string): Promise<string>
  apply(text: string, version: number): Promise<Answer>
}

const ADMIN_SECRET = 's'.repeat(43)

export async function startTestControl({ store = createMemoryStore() }: { store?: Store } = {}): Promise<TestControl> {
  const config = { host: '127.0.0.1', port: 0, metricsPort: 0, dataFolder: '', adminTokenFile: undefined, logLevel: 'silent' }
  const control = await startControl({ config, logger: createLogger({ service: 'control', level: 'silent' }), store })
  const shown = control.firstToken.kind === 'created' ? control.firstToken.shown : undefined
  const adminToken = shown ?? ADMIN_SECRET

  const call: CallControl = async (method, path, { body, headers = {}, token = adminToken } = {}) => {
    const sent = {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers
    }
    const response = await fetch(control.url + path, {
      method,
      headers: sent,
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> }
  }

  return {
    control,
    store,
    adminToken,
    call,
    async token(role, cell) {
      const { body } = await call('POST', '/v1/tokens', { body: { name: role, role, ...(cell === undefined ? {} : { cell }) } })
      return String(body.token)
    },
    apply: (text, version) => call('PUT', '/v1/topology', { body: { text, reason: 'test' }, headers: { 'if-match': `"${version}"` } }),
    [Symbol.asyncDispose]: () => control[Symbol.asyncDispose]()
  }
}

/** Code of an answer that is an error. */
export function codeOf({ body }: Answer): unknown {
  return typeof body.error === 'object' && body.error !== null && 'code' in body.error ? body.error.code : undefined
}

export function detailsOf({ body }: Answer): Record<string, unknown> {
  return ((body.error ?? {}) as { details?: Record<string, unknown> }).details ?? {}
}

import { decodeSnapshot, type Explanation, type Snapshot } from '@cellway/topology'
import type { Dispatcher } from 'undici'
import type {
  Acknowledgement,
  Applied,
  ApplyTopology,
  AuditPage,
  AuditVerdict,
  BucketFilter,
  BucketList,
  CreatedToken,
  CurrentTopology,
  ExplainRequest,
  LedgerChange,
  LedgerChanged,
  MemberList,
  NewToken,
  Status,
  TokenView,
  TopologyChange,
  Validation
} from './api.ts'
import { responseInvalid } from './errors.ts'
import { type ReplicationCalls, replicationCalls } from './replication-calls.ts'
import { type Call, createDispatcher, createTransport, isObject, parseJson } from './transport.ts'
import { type WatchOptions, watchSnapshots } from './watch.ts'

export interface ControlClientOptions {
  /** Origins of the control processes, `http://host:port`. */
  readonly urls: readonly string[]
  readonly token: string
  /** For TLS or tests; one of its own otherwise, which `close` ends. */
  readonly dispatcher?: Dispatcher
  /** For one call with all its attempts. */
  readonly timeoutMs?: number
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

/** @throws CLIENT_* for what happens on the way; what control refuses is a CellwayError with control's code */
export interface ControlClient extends AsyncDisposable {
  status(options?: CallOptions): Promise<Status>
  members(options?: CallOptions): Promise<MemberList>
  /** Undefined until the first one is applied. */
  topology(options?: CallOptions): Promise<CurrentTopology | undefined>
  validateTopology(text: string, options?: CallOptions): Promise<Validation>
  diffTopology(text: string, options?: CallOptions): Promise<TopologyChange>
  applyTopology(apply: ApplyTopology, options?: CallOptions): Promise<Applied>
  /** Undefined until the first topology is applied. @throws TOPO_SNAPSHOT_CORRUPT */
  snapshot(options?: CallOptions): Promise<Snapshot | undefined>
  explain(request: ExplainRequest, options?: CallOptions): Promise<Explanation>
  buckets(filter: BucketFilter, options?: CallOptions): Promise<BucketList>
  changeLedger(change: { readonly changes: readonly LedgerChange[]; readonly reason: string }, options?: CallOptions): Promise<LedgerChanged>
  readonly tokens: {
    list(options?: CallOptions): Promise<readonly TokenView[]>
    create(token: NewToken, options?: CallOptions): Promise<CreatedToken>
    remove(id: string, options?: CallOptions & { readonly reason?: string }): Promise<void>
  }
  readonly audit: {
    list(page: { readonly after?: number; readonly limit?: number }, options?: CallOptions): Promise<AuditPage>
    verify(options?: CallOptions): Promise<AuditVerdict>
  }
  readonly replication: ReplicationCalls
  ack(acknowledgement: Acknowledgement, options?: CallOptions): Promise<void>
  /** Newer snapshots for as long as the signal lasts, through every outage. @throws never */
  watchSnapshots(options: WatchOptions): AsyncIterableIterator<Snapshot>
  close(): Promise<void>
}

const TIMEOUT_MS = 10_000

export function createControlClient({ urls, token, dispatcher, timeoutMs = TIMEOUT_MS }: ControlClientOptions): ControlClient {
  const origins = urls.map((url) => url.replace(/\/+$/, ''))
  if (origins.length === 0) throw new TypeError('a control client needs at least one url')
  const own = dispatcher === undefined ? createDispatcher() : undefined
  const used = dispatcher ?? own ?? createDispatcher()
  const transport = createTransport({ urls: origins, token, dispatcher: used, timeoutMs })

  async function call<Answer>(wanted: Call): Promise<Answer> {
    return parseAnswer<Answer>(await transport.send(wanted), wanted)
  }

  async function ifApplied<Answer>(wanted: Call, parse: (text: string) => Answer): Promise<Answer | undefined> {
    try {
      return parse(await transport.send(wanted))
    } catch (cause) {
      if (isObject(cause) && cause.code === 'CTL_NO_TOPOLOGY') return undefined
      throw cause
    }
  }

  const get = (path: string, { signal }: CallOptions = {}): Call => ({ method: 'GET', path, signal })
  const post = (path: string, body: unknown, { signal }: CallOptions = {}): Call => ({ method: 'POST', path, body, signal })
  const close = async (): Promise<void> => own?.destroy()

  return {
    status: (options) => call(get('/v1/status', options)),
    members: (options) => call(get('/v1/members', options)),
    topology: (options) => ifApplied(get('/v1/topology', options), (text) => parseAnswer<CurrentTopology>(text, get('/v1/topology'))),
    validateTopology: (text, options) => call(post('/v1/topology/validate', { text }, options)),
    diffTopology: (text, options) => call(post('/v1/topology/diff', { text }, options)),
    applyTopology: ({ text, reason, ifMatch }, options) =>
      call({
        method: 'PUT',
        path: '/v1/topology',
        body: { text, reason },
        headers: { 'if-match': `"${ifMatch}"` },
        command: true,
        signal: options?.signal
      }),
    snapshot: (options) => ifApplied(get('/v1/snapshot', options), decodeSnapshot),
    explain: (request, options) => call(post('/v1/route/explain', request, options)),
    buckets: (filter, options) => call({ ...get('/v1/buckets', options), query: { ...filter } }),
    changeLedger: (change, options) => call({ ...post('/v1/ledger/changes', change, options), command: true }),
    tokens: {
      list: async (options) => (await call<{ tokens: readonly TokenView[] }>(get('/v1/tokens', options))).tokens,
      create: (wanted, options) => call({ ...post('/v1/tokens', wanted, options), command: true }),
      remove: async (id, options) => {
        await transport.send({
          method: 'DELETE',
          path: `/v1/tokens/${encodeURIComponent(id)}`,
          query: { reason: options?.reason },
          command: true,
          signal: options?.signal
        })
      }
    },
    audit: {
      list: (page, options) => call({ ...get('/v1/audit', options), query: { ...page } }),
      verify: (options) => call(get('/v1/audit/verify', options))
    },
    replication: replicationCalls(call),
    ack: async (acknowledgement, options) => {
      await transport.send(post('/v1/acks', acknowledgement, options))
    },
    watchSnapshots: (options) => watchSnapshots({ urls: origins, token, dispatcher: used }, options),
    close,
    [Symbol.asyncDispose]: close
  }
}

/** The shape is the server's promise (`/openapi.json`, held by its tests); here only that it is an object at all. */
function parseAnswer<Answer>(text: string, { method, path }: Call): Answer {
  const value = parseJson(text)
  if (!isObject(value)) throw responseInvalid({ call: `${method} ${path}`, problem: 'it is not a JSON object' })
  return value as Answer
}

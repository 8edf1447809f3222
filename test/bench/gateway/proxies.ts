/** What the benchmark compares: each proxy with one data-path process on one core, and the upstream they all talk to. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childrenOf, type Started, startProcess, waitUntilAnswers } from './processes.ts'
import { GATEWAY_MAIN, writeRoutedCell } from './routed-cell.ts'

export const PROXY_CORE = 0
export const LOAD_CORE = 1
export const CONNECTIONS = 64

/** Higher than any run: neither side may close a connection in the middle of a round. */
const REQUESTS_PER_CONNECTION = 1_000_000_000
const HTTP_PROXY_MAIN = fileURLToPath(new URL('http-proxy-server.ts', import.meta.url))

export type ProxyName = 'cellway' | 'nginx' | 'haproxy' | 'httpProxy'

export interface Contender extends AsyncDisposable {
  readonly name: ProxyName
  readonly port: number
  /** Processes that touch requests. */
  readonly dataPids: readonly number[]
  /** Processes that only look after those. */
  readonly otherPids: readonly number[]
  /** URL of the metrics, if it has any. */
  readonly metricsUrl: string | undefined
}

export interface Place {
  readonly folder: string
  readonly port: number
  readonly upstreamPort: number
}

/** A small JSON answer that names the bucket the proxy has put into the headers. */
export async function startUpstream({ folder, port }: Omit<Place, 'upstreamPort'>): Promise<Started> {
  const body = '{"user":"$http_x_user_id","bucket":"$http_x_cellway_bucket","order":1042,"state":"paid","items":[7,11,13]}'
  const server = `server { listen 127.0.0.1:${port} backlog=1024; default_type application/json; location / { return 200 '${body}'; } }`
  return startNginxProcess({ folder: join(folder, 'upstream'), core: LOAD_CORE, http: `access_log off; ${server}`, port })
}

export async function startCellway(place: Place, adminPort: number): Promise<Contender> {
  const folder = await ownFolder(place.folder, 'cellway')
  const config = await writeRoutedCell({ folder, port: place.port, adminPort, apps: [`http://127.0.0.1:${place.upstreamPort}`] })
  const started = await startProcess({ command: process.execPath, args: [GATEWAY_MAIN, '--config', config], core: PROXY_CORE, stdout: '/dev/null' })
  await readyOrStopped(started, `http://127.0.0.1:${adminPort}/health/ready`)
  return proxyOf('cellway', place.port, started, {
    dataPids: childrenOf(started.pid),
    otherPids: [started.pid],
    metricsUrl: `http://127.0.0.1:${adminPort}/metrics`
  })
}

export async function startNginx(place: Place): Promise<Contender> {
  const http = `
    access_log /dev/null combined buffer=32k;
    upstream app { server 127.0.0.1:${place.upstreamPort}; keepalive ${CONNECTIONS}; keepalive_requests ${REQUESTS_PER_CONNECTION}; }
    server {
      listen 127.0.0.1:${place.port} backlog=1024;
      location / {
        proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id;
      }
    }`
  const started = await startNginxProcess({ folder: join(place.folder, 'nginx'), core: PROXY_CORE, http, port: place.port })
  return proxyOf('nginx', place.port, started, { dataPids: childrenOf(started.pid), otherPids: [started.pid] })
}

export async function startHaproxy(place: Place): Promise<Contender> {
  const folder = await ownFolder(place.folder, 'haproxy')
  const file = join(folder, 'haproxy.cfg')
  await writeFile(
    file,
    `global
  nbthread 1
  maxconn 4096
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${place.port}
  unique-id-format %{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-Id
  default_backend app
backend app
  http-reuse always
  server app1 127.0.0.1:${place.upstreamPort} pool-max-conn ${CONNECTIONS}
`
  )
  const started = await startProcess({ command: 'haproxy', args: ['-db', '-q', '-f', file], core: PROXY_CORE, stdout: '/dev/null' })
  await readyOrStopped(started, `http://127.0.0.1:${place.port}/`)
  return proxyOf('haproxy', place.port, started, { dataPids: [started.pid], otherPids: [] })
}

export async function startHttpProxy(place: Place): Promise<Contender> {
  const args = [HTTP_PROXY_MAIN, String(place.port), `http://127.0.0.1:${place.upstreamPort}`, String(CONNECTIONS)]
  const started = await startProcess({ command: process.execPath, args, core: PROXY_CORE })
  await readyOrStopped(started, `http://127.0.0.1:${place.port}/`)
  return proxyOf('httpProxy', place.port, started, { dataPids: [started.pid], otherPids: [] })
}

interface NginxOptions {
  readonly folder: string
  readonly core: number
  readonly http: string
  readonly port: number
}

async function startNginxProcess({ folder, core, http, port }: NginxOptions): Promise<Started> {
  await mkdir(folder, { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')
  // As root the worker would become `nobody`, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const file = join(folder, 'nginx.conf')
  await writeFile(
    file,
    `${user} worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 4096; }
http { ${temporary} keepalive_requests ${REQUESTS_PER_CONNECTION}; keepalive_timeout 300s; ${http} }
`
  )
  const started = await startProcess({ command: 'nginx', args: ['-p', folder, '-e', join(folder, 'error.log'), '-c', file], core })
  await readyOrStopped(started, `http://127.0.0.1:${port}/`)
  return started
}

async function ownFolder(folder: string, name: string): Promise<string> {
  const own = join(folder, name)
  await mkdir(own, { recursive: true })
  return own
}

async function readyOrStopped(started: Started, url: string): Promise<void> {
  try {
    await waitUntilAnswers(started, url)
  } catch (cause) {
    await started[Symbol.asyncDispose]()
    throw cause
  }
}

type Pids = Pick<Contender, 'dataPids' | 'otherPids'> & Partial<Pick<Contender, 'metricsUrl'>>

function proxyOf(name: ProxyName, port: number, started: Started, { dataPids, otherPids, metricsUrl }: Pids): Contender {
  return { name, port, dataPids, otherPids, metricsUrl, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() }
}

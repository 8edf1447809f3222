import { readFileSync } from 'node:fs'
import { fileUnreadable, noControl, noToken, usage } from './errors.ts'
import { resolveFile, type Terminal } from './terminal.ts'

/** What a local run writes about itself; everything a newcomer would otherwise have to type. */
export interface LocalFile {
  readonly control: { readonly url: string; readonly token: string }
  readonly cells: Readonly<Record<string, LocalCell>>
}

export interface LocalCell {
  readonly gateway: string
  readonly gatewayAdmin: string
  readonly app: string
  readonly apps?: readonly string[]
  readonly mysql: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly password: string
    readonly adminUser?: string
    readonly adminPassword?: string
  }
  readonly redis: { readonly host: string; readonly port: number }
}

export interface ConnectionOptions {
  readonly control?: readonly string[]
  readonly token?: string
  readonly tokenFile?: string
  readonly local: string
}

export interface Connection {
  readonly urls: readonly string[]
  readonly token: string
}

export const LOCAL_FILE = '.cellway/local.json'

/** Options win over the environment, the environment over the local run. @throws CLI_NO_CONTROL, CLI_NO_TOKEN, CLI_USAGE, CLI_FILE_UNREADABLE */
export function resolveConnection(options: ConnectionOptions, terminal: Terminal): Connection {
  const local = readLocalFile(options.local, terminal)
  const urls = controlUrls(options, terminal, local)
  const token = explicitToken(options, terminal) ?? localToken(urls, local)
  if (token === undefined) throw noToken({ control: urls, fix: 'give --token-file FILE or --token TOKEN, or set CELLWAY_TOKEN' })
  return { urls, token }
}

/** Undefined when there is no local run. @throws CLI_FILE_UNREADABLE when there is one and its file is damaged */
export function readLocalFile(file: string, terminal: Terminal): LocalFile | undefined {
  let text: string
  try {
    text = readFileSync(resolveFile(terminal, file), 'utf8')
  } catch {
    return undefined
  }
  try {
    const value: unknown = JSON.parse(text)
    if (isLocalFile(value)) return value
  } catch (cause) {
    throw fileUnreadable({ file, reason: 'it is not JSON' }, { cause })
  }
  throw fileUnreadable({ file, reason: 'it has no control.url, control.token and cells' })
}

function controlUrls(options: ConnectionOptions, terminal: Terminal, local: LocalFile | undefined): readonly string[] {
  const given = options.control?.length ? options.control : terminal.env.CELLWAY_CONTROL?.split(',').filter((url) => url.trim() !== '')
  const urls = given?.length ? given : local === undefined ? [] : [local.control.url]
  if (urls.length === 0) {
    throw noControl({
      fix: `start a local run with "npm start" and call from its folder (${options.local}), or give --control URL, or set CELLWAY_CONTROL`
    })
  }
  return urls.map(normalUrl)
}

function normalUrl(text: string): string {
  const url = URL.parse(text.trim())
  if (url === null || !/^https?:$/.test(url.protocol))
    throw usage({ problem: `"${text}" is not the URL of a control process`, fix: 'like --control http://127.0.0.1:7000' })
  return url.origin
}

function explicitToken(options: ConnectionOptions, terminal: Terminal): string | undefined {
  if (options.token !== undefined && options.tokenFile !== undefined)
    throw usage({ problem: 'both --token and --token-file are given', fix: 'give one of them' })
  if (options.token !== undefined) return options.token
  if (options.tokenFile === undefined) return terminal.env.CELLWAY_TOKEN
  try {
    return readFileSync(resolveFile(terminal, options.tokenFile), 'utf8').trim()
  } catch (cause) {
    throw fileUnreadable({ file: options.tokenFile, reason: reasonOf(cause) }, { cause })
  }
}

/** The local run's token goes to the local run's control only: an administrator's secret is nothing to try on a stranger. */
function localToken(urls: readonly string[], local: LocalFile | undefined): string | undefined {
  if (local === undefined) return undefined
  const origin = normalUrl(local.control.url)
  return urls.every((url) => url === origin) ? local.control.token : undefined
}

function isLocalFile(value: unknown): value is LocalFile {
  if (typeof value !== 'object' || value === null || !('control' in value) || !('cells' in value)) return false
  const { control, cells } = value
  if (typeof control !== 'object' || control === null || typeof cells !== 'object' || cells === null) return false
  return 'url' in control && typeof control.url === 'string' && 'token' in control && typeof control.token === 'string'
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

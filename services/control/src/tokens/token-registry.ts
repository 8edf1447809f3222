import type { Clock } from '@cellway/base'
import { type Mirror, openMirror, type Store, type StoreEntry } from '@cellway/store'
import { stateUnreadable } from '../errors.ts'
import { TOKEN_PREFIX } from '../keys.ts'
import { isExpired, matchesToken, parseToken, ROLES, type TokenRecord } from './token.ts'

export interface TokenRegistry extends AsyncDisposable {
  /** The record of a token that is good right now. */
  authenticate(token: string): TokenRecord | undefined
  /** Whether a token that was good is so still; asked for long-lived streams. */
  isGood(id: string): boolean
  find(id: string): { record: TokenRecord; revision: number } | undefined
  all(): readonly TokenRecord[]
  waitFor(revision: number, signal: AbortSignal): Promise<void>
  readonly ended: Promise<void>
}

export async function openTokenRegistry(store: Store, clock: Clock): Promise<TokenRegistry> {
  let tokens: ReadonlyMap<string, { record: TokenRecord; revision: number }> = new Map()
  const mirror: Mirror = await openMirror(store, {
    prefix: TOKEN_PREFIX,
    onChange: (entries) => {
      tokens = new Map([...entries.values()].map(parseEntry))
    }
  })

  function isGood(id: string): boolean {
    const found = tokens.get(id)
    return found !== undefined && !isExpired(found.record, clock.nowMs())
  }

  return {
    authenticate(token) {
      const id = parseToken(token)?.id
      const found = id === undefined ? undefined : tokens.get(id)
      return found !== undefined && matchesToken(found.record, token) && isGood(found.record.id) ? found.record : undefined
    },
    isGood,
    find: (id) => tokens.get(id),
    all: () => [...tokens.values()].map(({ record }) => record),
    waitFor: mirror.waitFor,
    ended: mirror.ended,
    [Symbol.asyncDispose]: () => mirror[Symbol.asyncDispose]()
  }
}

function parseEntry(entry: StoreEntry): [string, { record: TokenRecord; revision: number }] {
  const record = JSON.parse(entry.value) as TokenRecord
  if (!ROLES.includes(record.role) || !/^[0-9a-f]{64}$/.test(record.hash)) throw stateUnreadable({ key: entry.key })
  return [record.id, { record, revision: entry.revision }]
}

import type { CellId, SpaceId } from './ids.ts'

/** Degrees north, degrees east. */
export type Location = readonly [latitude: number, longitude: number]

/** The configuration with every default filled in: what `parseTopology` returns and what a snapshot carries. */
export interface Topology {
  readonly apiVersion: 'cellway/v1'
  readonly cells: Readonly<Record<CellId, CellConfig>>
  readonly center: CenterConfig
  readonly spaces: Readonly<Record<SpaceId, SpaceConfig>>
  /** Exact keys with an owner of their own at the first assignment; a pinned key is its own bucket. */
  readonly pins: Readonly<Record<SpaceId, Readonly<Record<string, CellId>>>>
  /** First match wins. */
  readonly routes: readonly RouteConfig[]
  readonly data: DataConfig
}

export interface CellConfig {
  /** 0 to 15, part of bucket-carrying ids. By order in the file unless the file says `number`; may not change while the cell exists. */
  readonly number: number
  readonly region: string
  readonly role: 'active' | 'standby'
  /** Share of the buckets relative to the other active cells. */
  readonly weight: number
  readonly location?: Location
  /** Origin of the cell's gateway, as other cells reach it (`http://host:port`). */
  readonly gateway: string
  /** App name → origins of its instances. `default` is used where a route names none. */
  readonly apps: Readonly<Record<string, readonly string[]>>
  /** Addresses without secrets; secrets are references (`env:NAME`, `file:/path`). */
  readonly stores: Readonly<Record<string, unknown>>
}

export interface CenterConfig {
  readonly host?: CellId
  readonly log: 'embedded' | { readonly kafka: { readonly brokers: readonly string[] } }
}

export type KeyType = 'auto' | 'text' | 'integer'

interface SpaceCommon {
  /** Where a request without a key goes under `missing: primary`; for `single` the first owner. */
  readonly primary?: CellId
  /** `lower` folds A to Z only; other upper-case letters are refused, because languages and SQL fold them differently. */
  readonly fold: 'none' | 'lower'
  /**
   * `auto`: text, but what looks like a number must be spelled as a canonical unsigned decimal integer.
   * `integer`: only canonical unsigned decimal integers below 2^64. `text`: any NFC text; needed for keys that are
   * hexadecimal (`0042ae…`, `12e4`), because a few of those look like numbers.
   */
  readonly keyType: KeyType
}

export type SpaceConfig =
  | (SpaceCommon & { readonly kind: 'hash'; readonly buckets: number })
  | (SpaceCommon & {
      readonly kind: 'list'
      /**
       * For GeoIP, values are ISO 3166-2 codes with the country (`us-hi`) or without (`bj`), in any case. A code without
       * a country that is one of China's subdivisions means China's.
       */
      readonly values: readonly string[]
      readonly assign: 'weight' | 'nearest' | Readonly<Record<string, CellId>>
      /** Needed for `assign: nearest` and for the `coordinates` extractor; filled from the built-in table of CN subdivisions where it knows the value. */
      readonly locations: Readonly<Record<string, Location>>
    })
  | (SpaceCommon & { readonly kind: 'single'; readonly primary: CellId })

export type KeyExtractor =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string }
  | { readonly kind: 'query'; readonly name: string }
  /** `pattern` has exactly one `:name` segment (and may end in `/**`); the key is that segment, percent-decoded once. */
  | { readonly kind: 'path'; readonly pattern: string }
  /** Claim of the bearer token's payload. Decoded, not verified: it decides where the request goes, the app decides what it may do. */
  | { readonly kind: 'jwt'; readonly claim: string }
  | { readonly kind: 'const'; readonly value: string }
  /** Name of a query parameter or `:segment` of the route's path pattern that holds a bucket-carrying id: gives the bucket without a key. */
  | { readonly kind: 'id'; readonly name: string }
  | { readonly kind: 'geoip'; readonly field: 'subdivision' | 'country' | 'continent' }
  | { readonly kind: 'coordinates'; readonly latitudeHeader: string; readonly longitudeHeader: string }

export type MissingPolicy = 'reject' | 'primary' | 'nearest-read' | 'by-ip'

interface RouteCommon {
  /** `#0`, `#1`, … unless the file names it; used in explain, logs and metrics. */
  readonly name: string
  readonly match: { readonly host?: string; readonly path: string }
  /** Which of the cell's apps. */
  readonly app: string
  /** Methods that count as writes; `unsafe` (the default) is everything but GET, HEAD, OPTIONS. */
  readonly writes: 'unsafe' | readonly string[]
  readonly bodyBytesMax: number
  /** Until the response's headers. */
  readonly timeoutMs: number
  readonly rateLimit?: { readonly perSecond: number; readonly burst: number }
  /** `low` is shed first under overload. */
  readonly priority: 'low' | 'normal' | 'high'
  /** Whether `Upgrade: websocket` is let through. */
  readonly websocket: boolean
}

export type RouteConfig =
  | (RouteCommon & {
      readonly kind: 'space'
      readonly space: SpaceId
      /** In this order; empty for a single space, which needs no key. */
      readonly key: readonly KeyExtractor[]
      /** Chosen in the file wherever a key can be missing; `reject` where it cannot (single spaces, constants). */
      readonly missing: MissingPolicy
      readonly reads: 'owner' | 'local'
      /** After a write the client's reads go to the owner for this long; 0 = off. Only with `reads: local`. */
      readonly readYourWritesMs: number
    })
  /** Data of class `local`: the cell that got the request serves it. Written `class: local` in the file. */
  | (RouteCommon & { readonly kind: 'local' })

export interface DataConfig {
  readonly mysql: readonly MysqlData[]
  readonly redis: readonly RedisData[]
}

/** `table` is `schema.table`. A space with `single` kind needs no column. */
export type MysqlData =
  | { readonly kind: 'space'; readonly table: string; readonly space: SpaceId; readonly column?: string }
  | { readonly kind: 'local'; readonly table: string }

/** `{key}` in the pattern is the routing key; `*` matches any text. */
export type RedisData = { readonly kind: 'space'; readonly key: string; readonly space: SpaceId } | { readonly kind: 'local'; readonly key: string }

/** One problem of a configuration; all of them are reported at once. */
export interface Problem {
  /** Where, as in `spaces.users.buckets` or `routes[3].key[0]`. */
  readonly path: string
  readonly problem: string
  readonly fix: string
}

export type Checked<Value> =
  | { readonly ok: true; readonly value: Value; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

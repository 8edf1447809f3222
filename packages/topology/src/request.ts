import type { Location } from './config.ts'

/** What routing may look at. The gateway has validated it; nothing here is decoded yet. */
export interface RoutingRequest {
  readonly method: string
  /** Lower case, without port. */
  readonly host: string
  /** Raw path, from the first `/` up to `?`. */
  readonly path: string
  /** Raw query without `?`; `''` if there is none. */
  readonly query: string
  /** Name, value, name, value, … as they came, in order (node's `rawHeaders`). */
  readonly headers: readonly string[]
  /** Textual IP of the client after the trusted proxies. */
  readonly clientIp: string
}

export interface GeoRecord {
  /** ISO 3166-2 code without the country (`BJ`), ISO 3166-1 country (`CN`), continent code (`AS`). */
  readonly subdivision?: string
  readonly country?: string
  readonly continent?: string
  readonly location?: Location
}

/** GeoIP as a port; the gateway gives one that reads an `.mmdb` file, tests give a table. */
export interface GeoLookup {
  lookup(ip: string): GeoRecord | undefined
}

import { readFileSync } from 'node:fs'
import type { GeoLookup, GeoRecord } from '@cellway/topology'
import { type CityResponse, Reader } from 'maxmind'

/** Addresses looked up lately; a client sends many requests from one address. Full => start over. */
const CACHED_MAX = 20_000

/** Reads a GeoIP2 / GeoLite2 City or Country database (`.mmdb`) into memory. @throws if the file is none. */
export function openGeoDatabase(file: string): GeoLookup {
  const reader = new Reader<CityResponse>(readFileSync(file))
  let cache = new Map<string, GeoRecord | undefined>()
  return {
    lookup: (ip) => {
      if (cache.has(ip)) return cache.get(ip)
      const record = toRecord(reader.get(ip))
      if (cache.size >= CACHED_MAX) cache = new Map()
      cache.set(ip, record)
      return record
    }
  }
}

function toRecord(found: CityResponse | null): GeoRecord | undefined {
  if (found === null) return undefined
  const subdivision = found.subdivisions?.[0]?.iso_code
  const { latitude, longitude } = found.location ?? {}
  return {
    ...(subdivision === undefined ? {} : { subdivision }),
    ...(found.country?.iso_code === undefined ? {} : { country: found.country.iso_code }),
    ...(found.continent?.code === undefined ? {} : { continent: found.continent.code }),
    ...(latitude === undefined || longitude === undefined ? {} : { location: [latitude, longitude] as const })
  }
}

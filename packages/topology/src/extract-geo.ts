import type { CompiledExtractor, CompiledSpace } from './compile.ts'
import type { Location } from './config.ts'
import { keyInvalid } from './errors.ts'
import type { Extracted } from './extract.ts'
import { headerValue } from './extract-fields.ts'
import { nearestPlace, unitVector } from './geography.ts'
import type { GeoRecord } from './request.ts'

/** GeoIP files list these as countries; ISO 3166-2:CN lists them as subdivisions too. */
const COUNTRIES_IN_CN = new Set(['HK', 'MO', 'TW'])

/** The list value for one field of a GeoIP record; `unknown` where the record names an area that the space has not. */
export function areaBucket(
  space: CompiledSpace,
  record: GeoRecord | undefined,
  field: 'subdivision' | 'country' | 'continent'
): Extracted | undefined {
  if (record === undefined) return undefined
  const names = areaNames(record, field)
  if (names.length === 0) return undefined
  for (const name of names) {
    const bucketIndex = space.byArea.get(name)
    const bucket = bucketIndex === undefined ? undefined : space.buckets[bucketIndex]
    if (bucketIndex !== undefined && bucket !== undefined) return { kind: 'bucket', bucketIndex, key: bucket.bucket }
  }
  return { kind: 'unknown', key: names[0] ?? '' }
}

/** From the subdivision to the continent; the first area that the space has. */
export function anyAreaBucket(space: CompiledSpace, record: GeoRecord | undefined): Extracted | undefined {
  for (const field of ['subdivision', 'country', 'continent'] as const) {
    const found = areaBucket(space, record, field)
    if (found?.kind === 'bucket') return found
  }
  return undefined
}

function areaNames(record: GeoRecord, field: 'subdivision' | 'country' | 'continent'): readonly string[] {
  const country = record.country?.toUpperCase()
  if (field === 'country') return country === undefined ? [] : [`/${country}`, `CN/${country}`]
  if (field === 'continent') return record.continent === undefined ? [] : [`/${record.continent.toUpperCase()}`]
  if (country !== undefined && COUNTRIES_IN_CN.has(country)) return [`CN/${country}`]
  const subdivision = record.subdivision?.toUpperCase()
  if (subdivision === undefined) return []
  // A code without a country means China's where China has it, so a record without a country may be taken for China's only then.
  return country === undefined ? [`CN/${subdivision}`, `/${subdivision}`] : [`${country}/${subdivision}`, `/${subdivision}`]
}

/** The list value whose location is nearest to the coordinates in two headers. @throws TOPO_KEY_AMBIGUOUS, TOPO_KEY_INVALID */
export function coordinatesBucket(
  space: CompiledSpace,
  headers: readonly string[],
  extractor: Extract<CompiledExtractor, { kind: 'coordinates' }>
): Extracted | undefined {
  const location = requestLocation(headers, extractor)
  if (location === undefined) return undefined
  const bucketIndex = nearestPlace(unitVector(location), space.valuePlaces)
  const bucket = bucketIndex === undefined ? undefined : space.buckets[bucketIndex]
  if (bucketIndex === undefined || bucket === undefined) return { kind: 'unknown', key: '' }
  return { kind: 'bucket', bucketIndex, key: bucket.bucket }
}

function requestLocation(headers: readonly string[], extractor: Extract<CompiledExtractor, { kind: 'coordinates' }>): Location | undefined {
  const latitude = headerValue(headers, extractor.latitudeHeader)
  const longitude = headerValue(headers, extractor.longitudeHeader)
  if (latitude === undefined && longitude === undefined) return undefined
  return [degrees(latitude, 90, extractor.source), degrees(longitude, 180, extractor.source)]
}

const DEGREES = /^-?\d{1,3}(?:\.\d{1,16})?$/

function degrees(text: string | undefined, max: number, source: string): number {
  if (text === undefined) throw keyInvalid({ source, reason: 'one of the two coordinates is missing' })
  const value = DEGREES.test(text) ? Number(text) : Number.NaN
  if (!(Math.abs(value) <= max)) throw keyInvalid({ source, reason: `a coordinate is not a decimal number from -${max} to ${max}` })
  return value
}

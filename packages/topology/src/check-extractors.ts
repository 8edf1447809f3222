import { canonicalKey } from './canonical-key.ts'
import type { KeyExtractor, SpaceConfig } from './config.ts'
import { type PathPattern, parsePathPattern } from './path-pattern.ts'
import { type At, checkObject, child, describe, isObject, items, oneOf, problem, textOf, warning } from './report.ts'

const KINDS = ['header', 'cookie', 'query', 'path', 'jwt', 'const', 'id', 'geoip', 'coordinates'] as const
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
const EXTRACTORS_MAX = 16

type KeyedSpace = Exclude<SpaceConfig, { kind: 'single' }>

export function checkExtractors(at: At, space: KeyedSpace, match: PathPattern | undefined): readonly KeyExtractor[] {
  const all = items(at)
  if (Array.isArray(at.value) && all.length === 0) problem(at, 'there is no extractor', 'Say where the routing key is, as in [{header: x-user-id}].')
  if (all.length > EXTRACTORS_MAX) problem(at, `there are ${all.length} extractors`, `Use at most ${EXTRACTORS_MAX}.`)
  const extractors = all.flatMap((item) => checkExtractor(item, space, match) ?? [])
  const always = extractors.findIndex(({ kind }) => kind === 'const')
  const behind = always === -1 ? undefined : all[always + 1]
  if (behind !== undefined)
    warning(behind, 'it is never asked, because a const before it always has a value', 'Move it before the const, or remove it.')
  return extractors
}

/** Whether every request has a key with a bucket, so that there is nothing for `missing` to decide. */
export function neverMissing(extractors: readonly KeyExtractor[], space: KeyedSpace): boolean {
  // A list space may not know the value of an earlier extractor; a hash space has a bucket for any.
  return space.kind === 'list' ? extractors[0]?.kind === 'const' : extractors.some(({ kind }) => kind === 'const')
}

function checkExtractor(at: At, space: KeyedSpace, match: PathPattern | undefined): KeyExtractor | undefined {
  if (!isObject(at.value)) return problem(at, `it is ${describe(at.value)}, not a mapping`, 'Write one extractor, as in {header: x-user-id}.')
  if (!checkObject(at, KINDS)) return undefined
  const kinds = KINDS.filter((kind) => isObject(at.value) && Object.hasOwn(at.value, kind))
  const [kind] = kinds
  if (kind === undefined) return problem(at, 'it names no extractor', `Write one of ${KINDS.join(', ')}.`)
  if (kinds.length > 1) return problem(at, `it names ${kinds.length} extractors`, 'Write each as its own item of the list; they are asked in order.')
  return readExtractor(kind, child(at, kind), { space, match })
}

interface ExtractorContext {
  readonly space: KeyedSpace
  readonly match: PathPattern | undefined
}

function readExtractor(kind: (typeof KINDS)[number], at: At, context: ExtractorContext): KeyExtractor | undefined {
  switch (kind) {
    case 'header': {
      const name = headerName(at)
      return name === undefined ? undefined : { kind, name }
    }
    case 'cookie': {
      const name = textOf(at)
      if (name === undefined) return undefined
      return TOKEN.test(name) ? { kind, name } : problem(at, `${describe(name)} is not a cookie name`, 'Write the name of a cookie.')
    }
    case 'query': {
      const name = textOf(at)
      return name === undefined ? undefined : { kind, name }
    }
    case 'jwt': {
      const claim = textOf(at)
      return claim === undefined ? undefined : { kind, claim }
    }
    case 'path':
      return readPath(at)
    case 'const':
      return readConst(at, context.space)
    case 'id':
      return readId(at, context)
    case 'geoip': {
      if (context.space.kind !== 'list') return problem(at, 'areas are values, and only list spaces have values', 'Use a list space of areas.')
      const field = oneOf(at, ['subdivision', 'country', 'continent'])
      return field === undefined ? undefined : { kind, field }
    }
    case 'coordinates':
      return readCoordinates(at, context.space)
  }
}

function headerName(at: At): string | undefined {
  const name = textOf(at)
  if (name === undefined) return undefined
  const lower = name.toLowerCase()
  if (!TOKEN.test(lower)) return problem(at, `${describe(name)} is not a header name`, 'Write the name of a header.')
  if (lower.replaceAll('_', '-').startsWith('x-cellway-'))
    return problem(at, `${describe(name)} is set by Cellway, never by a client`, 'Choose a header of your own.')
  return lower
}

function readPath(at: At): KeyExtractor | undefined {
  const text = textOf(at)
  if (text === undefined) return undefined
  const pattern = parsePathPattern(text)
  const fix = 'Write a path with one :name segment, as in /api/users/:id/**.'
  if (typeof pattern === 'string') return problem(at, `the path ${pattern}`, fix)
  const named = pattern.segments.filter((segment) => segment.kind === 'named').length
  return named === 1 ? { kind: 'path', pattern: text } : problem(at, `the path has ${named} :name segments instead of one`, fix)
}

function readConst(at: At, space: KeyedSpace): KeyExtractor | undefined {
  const value = textOf(at)
  if (value === undefined) return undefined
  let key: string
  try {
    key = canonicalKey(value, space)
  } catch {
    return problem(at, `${describe(value)} is not a canonical key`, 'Write it in its one canonical spelling.')
  }
  if (space.kind === 'list' && !space.values.includes(key))
    return problem(at, `${describe(value)} is no value of the space`, `Use one of ${space.values.slice(0, 20).join(', ')}.`)
  return { kind: 'const', value: key }
}

function readId(at: At, { space, match }: ExtractorContext): KeyExtractor | undefined {
  const name = textOf(at)
  if (name === undefined) return undefined
  if (space.kind !== 'hash')
    return problem(at, 'ids carry a bucket number, and only hash spaces have those', 'Use a hash space, or another extractor.')
  if (!name.startsWith(':')) return { kind: 'id', name }
  const segment = name.slice(1)
  const known = match?.segments.some((candidate) => candidate.kind === 'named' && candidate.name === segment) ?? true
  return known
    ? { kind: 'id', name: segment }
    : problem(at, `the route's path has no segment ${name}`, `Add ${name} to match.path, or name a query parameter.`)
}

function readCoordinates(at: At, space: KeyedSpace): KeyExtractor | undefined {
  const [north, east, ...rest] = items(at)
  if (north === undefined || east === undefined || rest.length > 0)
    return problem(at, 'it is not a pair of headers', 'Write [header of the latitude, header of the longitude].')
  const [latitudeHeader, longitudeHeader] = [headerName(north), headerName(east)]
  if (latitudeHeader === undefined || longitudeHeader === undefined) return undefined
  if (latitudeHeader === longitudeHeader) return problem(at, 'both coordinates come from the same header', 'Name two headers.')
  if (space.kind !== 'list')
    return problem(at, 'coordinates lead to the nearest value, and only list spaces have values', 'Use a list space with locations.')
  const lost = space.values.filter((value) => !Object.hasOwn(space.locations, value))
  if (lost.length > 0)
    return problem(at, `there is no location for ${lost.slice(0, 10).join(', ')}`, 'Add locations: {value: [north, east]} to the space.')
  return { kind: 'coordinates', latitudeHeader, longitudeHeader }
}

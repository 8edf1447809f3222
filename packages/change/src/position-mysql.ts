import { changePositionInvalid } from './errors.ts'
import type { PositionOrder } from './position.ts'
import { orderOf } from './position-mariadb.ts'

export interface MysqlGtid {
  readonly kind: 'mysql-gtid'
  /** Lower case, with hyphens. */
  readonly uuid: string
  /** Empty for none (MySQL before 8.3 has no tags). */
  readonly tag: string
  readonly number: bigint
}

/** Both ends belong to it. */
export interface GtidInterval {
  readonly first: bigint
  readonly last: bigint
}

export interface GtidSource {
  readonly uuid: string
  readonly tag: string
  /** Rising, never touching. */
  readonly intervals: readonly GtidInterval[]
}

/** A GTID set: by rising uuid and tag. */
export interface MysqlPosition {
  readonly kind: 'mysql'
  readonly sets: readonly GtidSource[]
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const TAG = /^[a-z_][a-z0-9_]{0,31}$/
const INTERVAL = /^(\d{1,19})(?:-(\d{1,19}))?$/
/** 2^63 - 2, MySQL's last one. */
const NUMBER_MAX = 0x7fff_ffff_ffff_fffen

/** `uuid:1-5:7,uuid:1-3:tag:1-2`, with white space where MySQL prints it. @throws CHANGE_POSITION_INVALID */
export function parseMysql(text: string): MysqlPosition {
  const found = new Map<string, { uuid: string; tag: string; intervals: GtidInterval[] }>()
  for (const group of text.split(',').map((part) => part.trim())) {
    // MySQL itself accepts a comma too many, and prints none for the empty set.
    if (group !== '') addGroup(found, group)
  }
  return canonical([...found.values()])
}

function addGroup(found: Map<string, { uuid: string; tag: string; intervals: GtidInterval[] }>, group: string): void {
  const [uuidText = '', ...parts] = group.toLowerCase().split(':')
  const uuid = uuidText.trim()
  if (!UUID.test(uuid)) throw invalid(group, 'a group begins with the uuid of a server')
  if (parts.length === 0) throw invalid(group, 'a uuid without intervals')
  let tag = ''
  let tagIsNew = false
  for (const part of parts.map((one) => one.trim())) {
    if (TAG.test(part)) {
      if (tagIsNew) throw invalid(group, `the tag ${tag} has no intervals`)
      tag = part
      tagIsNew = true
      continue
    }
    const key = `${uuid}:${tag}`
    const source = found.get(key) ?? { uuid, tag, intervals: [] }
    source.intervals.push(parseInterval(part, group))
    found.set(key, source)
    tagIsNew = false
  }
  if (tagIsNew) throw invalid(group, `the tag ${tag} has no intervals`)
}

function parseInterval(text: string, group: string): GtidInterval {
  const [, firstText, lastText] = INTERVAL.exec(text) ?? []
  if (firstText === undefined) throw invalid(group, `${text} is neither an interval nor a tag`)
  const first = BigInt(firstText)
  const last = lastText === undefined ? first : BigInt(lastText)
  if (first < 1n || last < first || last > NUMBER_MAX) throw invalid(group, `${text} is not an interval from 1 up`)
  return { first, last }
}

export function formatMysql({ sets }: MysqlPosition): string {
  const groups: string[] = []
  for (const [at, { uuid, tag, intervals }] of sets.entries()) {
    const numbers = intervals.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(':')
    const text = tag === '' ? numbers : `${tag}:${numbers}`
    if (sets[at - 1]?.uuid === uuid) groups.push(`${groups.pop() ?? ''}:${text}`)
    else groups.push(`${uuid}:${text}`)
  }
  return groups.join(',')
}

export function formatMysqlGtid({ uuid, tag, number }: MysqlGtid): string {
  return tag === '' ? `${uuid}:${number}` : `${uuid}:${tag}:${number}`
}

/** @throws CHANGE_POSITION_INVALID unless it is one transaction */
export function parseMysqlGtid(text: string): MysqlGtid {
  const { sets } = parseMysql(text)
  const [source] = sets
  const [interval] = source?.intervals ?? []
  if (source === undefined || interval === undefined || sets.length > 1 || source.intervals.length > 1 || interval.first !== interval.last) {
    throw invalid(text, 'a GTID of MySQL is uuid:number or uuid:tag:number')
  }
  return { kind: 'mysql-gtid', uuid: source.uuid, tag: source.tag, number: interval.first }
}

export function compareMysql(left: MysqlPosition, right: MysqlPosition): PositionOrder {
  return orderOf(!contains(right, left), !contains(left, right))
}

/** Whether every transaction of the inner set is in the outer one. */
export function contains(outer: MysqlPosition, inner: MysqlPosition): boolean {
  const sources = bySource(outer)
  return inner.sets.every((source) => {
    const intervals = sources.get(keyOf(source)) ?? []
    return source.intervals.every((interval) => covers(intervals, interval))
  })
}

export function mysqlIncludes(position: MysqlPosition, gtid: MysqlGtid): boolean {
  const source = position.sets.find(({ uuid, tag }) => uuid === gtid.uuid && tag === gtid.tag)
  return source !== undefined && covers(source.intervals, { first: gtid.number, last: gtid.number })
}

export function unionMysql(left: MysqlPosition, right: MysqlPosition): MysqlPosition {
  const joined = new Map(left.sets.map((source) => [keyOf(source), { ...source, intervals: [...source.intervals] }]))
  for (const source of right.sets) {
    const known = joined.get(keyOf(source))
    if (known === undefined) joined.set(keyOf(source), { ...source, intervals: [...source.intervals] })
    else known.intervals.push(...source.intervals)
  }
  return canonical([...joined.values()])
}

/** One transaction more. The usual one is the next of its server, and moves the end of an interval. */
export function addMysql(position: MysqlPosition, { uuid, tag, number }: MysqlGtid): MysqlPosition {
  const at = position.sets.findIndex((source) => source.uuid === uuid && source.tag === tag)
  const source = position.sets[at]
  const newest = source?.intervals.at(-1)
  if (source === undefined || newest === undefined || newest.last + 1n !== number) {
    return unionMysql(position, { kind: 'mysql', sets: [{ uuid, tag, intervals: [{ first: number, last: number }] }] })
  }
  return { kind: 'mysql', sets: position.sets.with(at, { uuid, tag, intervals: source.intervals.with(-1, { first: newest.first, last: number }) }) }
}

function canonical(sets: readonly GtidSource[]): MysqlPosition {
  const merged = sets.map(({ uuid, tag, intervals }) => ({ uuid, tag, intervals: mergeIntervals(intervals) }))
  return { kind: 'mysql', sets: merged.sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1)) }
}

/** Those that overlap or touch become one. */
function mergeIntervals(intervals: readonly GtidInterval[]): GtidInterval[] {
  const merged: { first: bigint; last: bigint }[] = []
  for (const { first, last } of intervals.toSorted((left, right) => (left.first < right.first ? -1 : left.first > right.first ? 1 : 0))) {
    const newest = merged.at(-1)
    if (newest === undefined || first > newest.last + 1n) merged.push({ first, last })
    else if (last > newest.last) newest.last = last
  }
  return merged
}

/** By halves: a set with holes has thousands of intervals. */
function covers(intervals: readonly GtidInterval[], { first, last }: GtidInterval): boolean {
  let low = 0
  let high = intervals.length
  while (low < high) {
    const middle = (low + high) >> 1
    const interval = intervals[middle]
    if (interval !== undefined && interval.last < first) low = middle + 1
    else high = middle
  }
  const candidate = intervals[low]
  return candidate !== undefined && candidate.first <= first && last <= candidate.last
}

function bySource({ sets }: MysqlPosition): Map<string, readonly GtidInterval[]> {
  return new Map(sets.map((source) => [keyOf(source), source.intervals]))
}

function keyOf({ uuid, tag }: GtidSource): string {
  return `${uuid}:${tag}`
}

function invalid(text: string, problem: string): Error {
  return changePositionInvalid({ text: text.slice(0, 200), problem })
}

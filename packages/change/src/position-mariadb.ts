import { changePositionInvalid } from './errors.ts'
import type { PositionOrder } from './position.ts'

export interface MariadbGtid {
  readonly kind: 'mariadb-gtid'
  readonly domain: number
  readonly server: number
  readonly sequence: bigint
}

/** The newest GTID of each domain, by rising domain. A domain that is not listed has not begun. */
export interface MariadbPosition {
  readonly kind: 'mariadb'
  readonly gtids: readonly MariadbGtid[]
}

const GTID = /^(\d{1,10})-(\d{1,10})-(\d{1,20})$/
const U32_MAX = 0xffff_ffff
const U64_MAX = 0xffff_ffff_ffff_ffffn

/** `0-1-100,1-2-5`; the empty text is the start of everything. @throws CHANGE_POSITION_INVALID */
export function parseMariadb(text: string): MariadbPosition {
  if (text.trim() === '') return { kind: 'mariadb', gtids: [] }
  const gtids = text.split(',').map((part) => parseMariadbGtid(part))
  const sorted = gtids.toSorted((left, right) => left.domain - right.domain)
  const repeated = sorted.find((gtid, at) => at > 0 && sorted[at - 1]?.domain === gtid.domain)
  if (repeated !== undefined) throw changePositionInvalid({ text: text.slice(0, 200), problem: `the domain ${repeated.domain} is there twice` })
  return { kind: 'mariadb', gtids: sorted }
}

/** @throws CHANGE_POSITION_INVALID */
export function parseMariadbGtid(text: string): MariadbGtid {
  const [, domain, server, sequence] = GTID.exec(text.trim()) ?? []
  if (domain === undefined || server === undefined || sequence === undefined) {
    throw changePositionInvalid({ text: text.slice(0, 200), problem: 'a GTID of MariaDB is domain-server-sequence' })
  }
  const gtid: MariadbGtid = { kind: 'mariadb-gtid', domain: Number(domain), server: Number(server), sequence: BigInt(sequence) }
  if (gtid.domain > U32_MAX || gtid.server > U32_MAX || gtid.sequence > U64_MAX) {
    throw changePositionInvalid({ text: text.slice(0, 200), problem: 'a number of the GTID is too large' })
  }
  return gtid
}

export function formatMariadbGtid({ domain, server, sequence }: MariadbGtid): string {
  return `${domain}-${server}-${sequence}`
}

export function formatMariadb({ gtids }: MariadbPosition): string {
  return gtids.map((gtid) => formatMariadbGtid(gtid)).join(',')
}

/**
 * Domain by domain, by sequence. The server may differ, a replica was promoted; but two servers that gave the same number
 * in the same domain have written two histories.
 */
export function compareMariadb(left: MariadbPosition, right: MariadbPosition): PositionOrder {
  let leftHasMore = false
  let rightHasMore = false
  const rest = new Map(right.gtids.map((gtid) => [gtid.domain, gtid]))
  for (const gtid of left.gtids) {
    const other = rest.get(gtid.domain)
    rest.delete(gtid.domain)
    if (other === undefined || gtid.sequence > other.sequence) leftHasMore = true
    else if (gtid.sequence < other.sequence) rightHasMore = true
    else if (gtid.server !== other.server) return 'incomparable'
  }
  return orderOf(leftHasMore, rightHasMore || rest.size > 0)
}

/** The newer GTID of each domain; the caller knows that the two are comparable. */
export function unionMariadb(left: MariadbPosition, right: MariadbPosition): MariadbPosition {
  const newest = new Map(left.gtids.map((gtid) => [gtid.domain, gtid]))
  for (const gtid of right.gtids) {
    const known = newest.get(gtid.domain)
    if (known === undefined || known.sequence < gtid.sequence) newest.set(gtid.domain, gtid)
  }
  return { kind: 'mariadb', gtids: [...newest.values()].sort((one, other) => one.domain - other.domain) }
}

export function orderOf(leftHasMore: boolean, rightHasMore: boolean): PositionOrder {
  if (leftHasMore) return rightHasMore ? 'concurrent' : 'after'
  return rightHasMore ? 'before' : 'equal'
}

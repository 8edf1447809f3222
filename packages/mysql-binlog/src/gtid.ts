/** Global transaction ids of both flavours; their text is what the server prints and takes. */

export interface MariadbGtid {
  readonly flavour: 'mariadb'
  readonly domain: number
  readonly server: number
  readonly sequence: bigint
}

export interface MysqlGtid {
  readonly flavour: 'mysql'
  /** UUID of the source, lower case. */
  readonly source: string
  /** '' for GTIDs without a tag (all before MySQL 8.3). */
  readonly tag: string
  readonly number: bigint
}

/** MySQL with `gtid_mode=OFF`. */
export interface AnonymousGtid {
  readonly flavour: 'anonymous'
}

export type Gtid = MariadbGtid | MysqlGtid | AnonymousGtid

/** Transactions of one source and tag: intervals with their end left out, as on the wire. */
export interface GtidSetEntry {
  readonly source: string
  readonly tag: string
  readonly intervals: readonly { readonly start: bigint; readonly end: bigint }[]
}

export function formatGtid(gtid: Gtid): string {
  switch (gtid.flavour) {
    case 'mariadb':
      return `${gtid.domain}-${gtid.server}-${gtid.sequence}`
    case 'mysql':
      return gtid.tag === '' ? `${gtid.source}:${gtid.number}` : `${gtid.source}:${gtid.tag}:${gtid.number}`
    case 'anonymous':
      return 'ANONYMOUS'
  }
}

/** As `@@gtid_executed`: `uuid:1-5:7:tag:1-2`, one block per source. */
export function formatGtidSet(entries: readonly GtidSetEntry[]): string {
  const bySource = new Map<string, string[]>()
  for (const { source, tag, intervals } of entries.toSorted(byTag)) {
    const ranges = intervals.map(({ start, end }) => (end - start === 1n ? `${start}` : `${start}-${end - 1n}`))
    const block = bySource.get(source) ?? []
    block.push(...(tag === '' ? [] : [tag]), ...ranges)
    bySource.set(source, block)
  }
  return [...bySource].map(([source, block]) => [source, ...block].join(':')).join(',')
}

function byTag(left: GtidSetEntry, right: GtidSetEntry): number {
  return left.tag < right.tag ? -1 : left.tag > right.tag ? 1 : 0
}

export function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

import { BlockList, isIPv4, SocketAddress } from 'node:net'

/** Data of a network, as GeoIP2 City files have it. */
export type MmdbValue = string | number | boolean | MmdbDouble | readonly MmdbValue[] | { readonly [name: string]: MmdbValue }

/** Numbers are written as uint32, so a coordinate has to say that it is a double. */
export class MmdbDouble {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

const RECORD_BITS = 24
const SEPARATOR_BYTES = 16
const METADATA_MARK = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex')
const EMPTY = -1

/** A node of the search tree: left and right are node indexes, `EMPTY`, or the offset of data as `-2 - offset`. */
type Node = [left: number, right: number]

/**
 * A MaxMind DB file (format 2.0): a binary search tree over IPv6 addresses (IPv4 stands below `::/96`), a data section, metadata.
 * @param networks CIDR → data; no network may contain another.
 */
export function writeMmdb(networks: Readonly<Record<string, MmdbValue>>): Buffer {
  const nodes: Node[] = [[EMPTY, EMPTY]]
  const data: Buffer[] = []
  let dataBytes = 0
  for (const [cidr, value] of Object.entries(networks)) {
    insert(nodes, networkBits(cidr), -2 - dataBytes)
    const encoded = encode(value)
    data.push(encoded)
    dataBytes += encoded.length
  }
  return Buffer.concat([encodeTree(nodes), Buffer.alloc(SEPARATOR_BYTES), ...data, METADATA_MARK, encode(metadata(nodes.length))])
}

function networkBits(cidr: string): readonly number[] {
  const [address = '', prefix = ''] = cidr.split('/')
  const bytes = isIPv4(address) ? [...new Array<number>(12).fill(0), ...address.split('.').map(Number)] : ipv6Bytes(address)
  const bits = bytes.flatMap((byte) => Array.from({ length: 8 }, (_, at) => (byte >> (7 - at)) & 1))
  return bits.slice(0, Number(prefix) + (isIPv4(address) ? 96 : 0))
}

function ipv6Bytes(address: string): number[] {
  // Throws on what is no address.
  new BlockList().addAddress(new SocketAddress({ address, family: 'ipv6' }))
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [left, right] = [groups(head), groups(tail)]
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
  return all.flatMap((group) => [group >> 8, group & 0xff])
}

function insert(nodes: Node[], bits: readonly number[], leaf: number): void {
  let at = 0
  for (const [index, bit] of bits.entries()) {
    const node = nodes[at]
    if (node === undefined) throw new Error('the tree is broken')
    const next = node[bit as 0 | 1]
    if (index === bits.length - 1) {
      if (next !== EMPTY) throw new Error('networks overlap')
      node[bit as 0 | 1] = leaf
    } else if (next >= 0) at = next
    else if (next === EMPTY) {
      at = nodes.push([EMPTY, EMPTY]) - 1
      node[bit as 0 | 1] = at
    } else throw new Error('networks overlap')
  }
}

function encodeTree(nodes: readonly Node[]): Buffer {
  const tree = Buffer.alloc((nodes.length * RECORD_BITS * 2) / 8)
  const record = (value: number): number => (value >= 0 ? value : value === EMPTY ? nodes.length : nodes.length + SEPARATOR_BYTES + (-2 - value))
  for (const [index, [left, right]] of nodes.entries()) {
    tree.writeUIntBE(record(left), index * 6, 3)
    tree.writeUIntBE(record(right), index * 6 + 3, 3)
  }
  return tree
}

function metadata(nodeCount: number): MmdbValue {
  return {
    node_count: nodeCount,
    record_size: RECORD_BITS,
    ip_version: 6,
    database_type: 'GeoIP2-City',
    languages: ['en'],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    description: { en: 'written by a test' }
  }
}

const TYPE = { string: 2, double: 3, uint32: 6, map: 7, array: 11, boolean: 14 } as const

function encode(value: MmdbValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(TYPE.string, Buffer.byteLength(value)), Buffer.from(value, 'utf8')])
  if (typeof value === 'boolean') return control(TYPE.boolean, value ? 1 : 0)
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return Buffer.concat([control(TYPE.uint32, 4), bytes])
  }
  if (value instanceof MmdbDouble) {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleBE(value.value)
    return Buffer.concat([control(TYPE.double, 8), bytes])
  }
  if (Array.isArray(value)) return Buffer.concat([control(TYPE.array, value.length), ...value.map(encode)])
  const fields = Object.entries(value)
  return Buffer.concat([control(TYPE.map, fields.length), ...fields.flatMap(([name, inner]) => [encode(name), encode(inner)])])
}

/** Type and size: sizes from 29 on take a byte more, types above 7 as well. */
function control(type: number, size: number): Buffer {
  if (size >= 29 + 256) throw new Error('longer than a test needs')
  const first = (type <= 7 ? type << 5 : 0) | Math.min(size, 29)
  return Buffer.from([first, ...(type <= 7 ? [] : [type - 7]), ...(size >= 29 ? [size - 29] : [])])
}

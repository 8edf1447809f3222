import type { RouteConfig } from './config.ts'
import { keyInvalid } from './errors.ts'
import { hostCovers, type PathPattern } from './path-pattern.ts'
import { decodePercent } from './percent.ts'

export interface IndexedRoute {
  readonly config: RouteConfig
  readonly pattern: PathPattern
}

/** One trie of path segments per class of hosts; each node knows the earliest route below it, so that first match wins without trying all. */
export interface RouteIndex {
  readonly exactHosts: ReadonlyMap<string, Node>
  /** By the part after `*`, as in `.example.com`. The longest one that fits decides; it holds the routes of the shorter ones too. */
  readonly hostSuffixes: ReadonlyMap<string, Node>
  readonly anyHost: Node
}

interface Node {
  readonly literals: Map<string, Node>
  any: Node | undefined
  /** Order of the first route that ends here; Infinity if none does. */
  endOrder: number
  /** Order of the first route with `/**` here. */
  tailOrder: number
  /** The earliest order in this node and below. */
  earliest: number
}

const NONE = Number.POSITIVE_INFINITY

export function buildRouteIndex(routes: readonly IndexedRoute[]): RouteIndex {
  const hosts = new Set(routes.flatMap(({ config }) => config.match.host ?? []))
  const exactHosts = new Map<string, Node>()
  const hostSuffixes = new Map<string, Node>()
  for (const host of hosts) {
    const node = buildTrie(routes, host)
    if (host.startsWith('*.')) hostSuffixes.set(host.slice(1), node)
    else exactHosts.set(host, node)
  }
  return { exactHosts, hostSuffixes, anyHost: buildTrie(routes, undefined) }
}

/** The order of the first route that matches, or -1. `path` is raw; each segment is decoded once before it is compared. */
export function findRoute(index: RouteIndex, host: string, path: string): number {
  const root = index.exactHosts.get(host) ?? (index.hostSuffixes.size === 0 ? index.anyHost : bySuffix(index, host))
  const order = search(root, path, 1, NONE)
  return order === NONE ? -1 : order
}

function bySuffix(index: RouteIndex, host: string): Node {
  for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const node = index.hostSuffixes.get(host.slice(dot))
    if (node !== undefined) return node
  }
  return index.anyHost
}

function search(node: Node, path: string, from: number, best: number): number {
  if (node.earliest >= best) return best
  let found = Math.min(best, node.tailOrder)
  if (from > path.length) return Math.min(found, node.endOrder)
  if (node.literals.size === 0 && node.any === undefined) return found
  const slash = path.indexOf('/', from)
  const end = slash === -1 ? path.length : slash
  const raw = path.slice(from, end)
  const literal = node.literals.get(raw.includes('%') ? decodedSegment(raw) : raw)
  if (literal !== undefined) found = search(literal, path, end + 1, found)
  if (node.any !== undefined && end > from) found = search(node.any, path, end + 1, found)
  return found
}

/** A segment that cannot be decoded equals no literal. */
function decodedSegment(raw: string): string {
  try {
    return decodePercent(raw)
  } catch {
    return '%'
  }
}

function buildTrie(routes: readonly IndexedRoute[], host: string | undefined): Node {
  const root = createNode()
  for (const [order, { config, pattern }] of routes.entries()) {
    if (!hostCovers(config.match.host, host)) continue
    let node = root
    node.earliest = Math.min(node.earliest, order)
    for (const segment of pattern.segments) {
      node = segment.kind === 'literal' ? literalChild(node, segment.text) : anyChild(node)
      node.earliest = Math.min(node.earliest, order)
    }
    if (pattern.tail) node.tailOrder = Math.min(node.tailOrder, order)
    else node.endOrder = Math.min(node.endOrder, order)
  }
  return root
}

function createNode(): Node {
  return { literals: new Map(), any: undefined, endOrder: NONE, tailOrder: NONE, earliest: NONE }
}

function literalChild(node: Node, text: string): Node {
  const known = node.literals.get(text)
  if (known !== undefined) return known
  const child = createNode()
  node.literals.set(text, child)
  return child
}

function anyChild(node: Node): Node {
  node.any ??= createNode()
  return node.any
}

/** The raw segment at a position, if the whole path matches the pattern; for keys in paths. */
export function segmentOf(pattern: PathPattern, segmentIndex: number, path: string): string | undefined {
  let from = 1
  let wanted: string | undefined
  for (const [index, segment] of pattern.segments.entries()) {
    if (from > path.length) return undefined
    const slash = path.indexOf('/', from)
    const end = slash === -1 ? path.length : slash
    const raw = path.slice(from, end)
    if (segment.kind === 'literal' ? decodedSegment(raw) !== segment.text : raw === '') return undefined
    if (index === segmentIndex) wanted = raw
    from = end + 1
  }
  if (!pattern.tail && from <= path.length) return undefined
  return wanted
}

/** @throws TOPO_KEY_INVALID */
export function decodeSegment(raw: string): string {
  if (raw.length > 3 * 4096) throw keyInvalid({ reason: 'it is longer than 4096 bytes' })
  return decodePercent(raw)
}

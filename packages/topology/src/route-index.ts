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
  /** By the part after `*`, as in `.example.com`, longest first. The first that fits decides; it holds the routes of the shorter ones too. */
  readonly hostSuffixes: readonly { readonly suffix: string; readonly node: Node }[]
  readonly anyHost: Node
}

interface Node {
  readonly literals: Map<string, Node>
  /** Set while there is one literal only: comparing in place spares cutting the segment out. */
  only: { readonly text: string; readonly node: Node } | undefined
  any: Node | undefined
  /** Order of the first route that ends here; NONE if none does. */
  endOrder: number
  /** Order of the first route with `/**` here. */
  tailOrder: number
  /** The earliest order in this node and below. */
  earliest: number
}

/** A small integer, which the engine compares faster than Infinity. */
const NONE = 0x3fffffff

export function buildRouteIndex(routes: readonly IndexedRoute[]): RouteIndex {
  const hosts = new Set(routes.flatMap(({ config }) => config.match.host ?? []))
  const exactHosts = new Map<string, Node>()
  const hostSuffixes: { suffix: string; node: Node }[] = []
  for (const host of hosts) {
    const node = buildTrie(routes, host)
    if (host.startsWith('*.')) hostSuffixes.push({ suffix: host.slice(1), node })
    else exactHosts.set(host, node)
  }
  hostSuffixes.sort((a, b) => b.suffix.length - a.suffix.length)
  return { exactHosts, hostSuffixes, anyHost: buildTrie(routes, undefined) }
}

/** The order of the first route that matches, or -1. `path` is raw; each segment is decoded once before it is compared. */
export function findRoute(index: RouteIndex, host: string, path: string): number {
  const root = index.exactHosts.get(host) ?? bySuffix(index, host)
  const order = path.includes('%') ? search(root, { path, decode: true }, 1, NONE) : search(root, { path, decode: false }, 1, NONE)
  return order === NONE ? -1 : order
}

function bySuffix({ hostSuffixes, anyHost }: RouteIndex, host: string): Node {
  for (const { suffix, node } of hostSuffixes) if (host.length > suffix.length && host.endsWith(suffix)) return node
  return anyHost
}

interface Sought {
  readonly path: string
  readonly decode: boolean
}

function search(node: Node, sought: Sought, from: number, best: number): number {
  if (node.earliest >= best) return best
  const { path } = sought
  let found = Math.min(node.tailOrder, best)
  if (from > path.length) return Math.min(node.endOrder, found)
  if (node.literals.size === 0 && node.any === undefined) return found
  const slash = path.indexOf('/', from)
  const end = slash === -1 ? path.length : slash
  const literal = literalAt(node, sought, from, end)
  if (literal !== undefined) found = search(literal, sought, end + 1, found)
  if (node.any !== undefined && end > from) found = search(node.any, sought, end + 1, found)
  return found
}

function literalAt(node: Node, { path, decode }: Sought, from: number, end: number): Node | undefined {
  if (decode) return node.literals.get(decodedSegment(path.slice(from, end)))
  if (node.only === undefined) return node.literals.get(path.slice(from, end))
  return node.only.text.length === end - from && path.startsWith(node.only.text, from) ? node.only.node : undefined
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
  return { literals: new Map(), only: undefined, any: undefined, endOrder: NONE, tailOrder: NONE, earliest: NONE }
}

function literalChild(node: Node, text: string): Node {
  const known = node.literals.get(text)
  if (known !== undefined) return known
  const child = createNode()
  node.literals.set(text, child)
  node.only = node.literals.size === 1 ? { text, node: child } : undefined
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

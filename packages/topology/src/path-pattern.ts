/** One segment of a route's path: a literal (already percent-decoded), `*`, or `:name`. */
export type PathSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'named'; readonly name: string }

export interface PathPattern {
  readonly segments: readonly PathSegment[]
  /** Ends in `/**`: zero or more further segments. */
  readonly tail: boolean
}

/** Deeper patterns are a mistake; bounds the walk through the route index. */
export const PATTERN_SEGMENTS_MAX = 32

/** The pattern, or what is wrong with it. */
export function parsePathPattern(text: string): PathPattern | string {
  if (!text.startsWith('/')) return 'does not start with "/"'
  if (text.includes('?') || text.includes('#')) return 'contains "?" or "#"'
  if (text.includes('%')) return 'contains a percent escape; write the character itself'
  if (/[\p{Cc}\p{Z}\\]/u.test(text)) return 'contains white space, a control character or a backslash'
  const parts = text.slice(1).split('/')
  const tail = parts.at(-1) === '**'
  if (tail) parts.pop()
  if (parts.length > PATTERN_SEGMENTS_MAX) return `has more than ${PATTERN_SEGMENTS_MAX} segments`
  const segments: PathSegment[] = []
  for (const [index, part] of parts.entries()) {
    const wrong = segmentProblem(part, index === parts.length - 1 && !tail)
    if (wrong !== undefined) return wrong
    segments.push(part === '*' ? { kind: 'any' } : part.startsWith(':') ? { kind: 'named', name: part.slice(1) } : { kind: 'literal', text: part })
  }
  const names = segments.flatMap((segment) => (segment.kind === 'named' ? [segment.name] : []))
  if (new Set(names).size !== names.length) return 'has two segments with the same name'
  return { segments, tail }
}

function segmentProblem(part: string, last: boolean): string | undefined {
  if (part === '' && !last) return 'has an empty segment'
  if (part === '.' || part === '..') return 'has a "." or ".." segment'
  if (part === '**') return 'has "**" in the middle; it can only be the last segment'
  if (part.includes('*') && part !== '*') return 'has "*" inside a segment; it can only be a whole segment'
  if (part.startsWith(':') && !/^:[A-Za-z_][A-Za-z0-9_]*$/.test(part)) return 'has a ":" segment that is not a name'
  return undefined
}

/** Whether every path that `narrow` matches is matched by `wide`. */
export function patternCovers(wide: PathPattern, narrow: PathPattern): boolean {
  if (!wide.tail && (narrow.tail || narrow.segments.length !== wide.segments.length)) return false
  if (narrow.segments.length < wide.segments.length) return false
  return wide.segments.every((segment, index) => {
    const other = narrow.segments[index]
    if (other === undefined) return false
    if (segment.kind === 'literal') return other.kind === 'literal' && other.text === segment.text
    return other.kind !== 'literal' || other.text !== ''
  })
}

/** `*.example.com` covers every name below example.com, at any depth, but not example.com itself. No host covers all. */
export function hostCovers(wide: string | undefined, narrow: string | undefined): boolean {
  if (wide === undefined) return true
  if (narrow === undefined) return false
  if (wide === narrow) return true
  return wide.startsWith('*.') && narrow.endsWith(wide.slice(1)) && narrow !== wide.slice(2)
}

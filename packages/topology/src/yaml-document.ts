import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from 'yaml'
import type { Problem } from './config.ts'
import { isReservedName } from './ids.ts'

/** 1 MiB: 1,000 routes and 10,000 pins take a third of it. */
export const TOPOLOGY_BYTES_MAX = 1024 * 1024
/** Values after aliases are expanded; a file of 1 MiB without aliases cannot have more. */
const VALUES_MAX = 1_000_000
/** Aliases multiply, so they get their own, small bound. */
const ALIASES_MAX = 100
const DEPTH_MAX = 32
const ERRORS_SHOWN_MAX = 20

export type ReadDocument =
  | { readonly ok: true; readonly value: unknown /** Path → line, from 1. */; readonly lines: ReadonlyMap<string, number> }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/**
 * YAML or JSON text as plain values. Stricter than YAML: a key or a value that YAML would change (`007`, `0x1F`, an integer
 * beyond 2^53) stays as the text that was written, and a key may stand once only, even as `1` and `"1"`.
 */
export function readDocument(text: string): ReadDocument {
  if (Buffer.byteLength(text) > TOPOLOGY_BYTES_MAX) {
    return failed({ path: '', problem: `the text is longer than ${TOPOLOGY_BYTES_MAX} bytes`, fix: 'Split what is not topology into other files.' })
  }
  const lineCounter = new LineCounter()
  let root: ParsedNode | null
  try {
    const document = parseDocument(text, { lineCounter, version: '1.2', schema: 'core', uniqueKeys: true, prettyErrors: false })
    const errors = [...document.errors, ...document.warnings].slice(0, ERRORS_SHOWN_MAX)
    if (errors.length > 0) return { ok: false, problems: errors.map((error) => syntaxProblem(error, lineCounter)) }
    root = document.contents
  } catch (error) {
    const nested = error instanceof RangeError
    return failed({ path: '', problem: nested ? 'the text is nested too deep' : `the text is not YAML: ${String(error)}`, fix: 'Write it flatter.' })
  }
  const conversion: Conversion = { lines: new Map(), problems: [], anchors: new Map(), lineCounter, values: 0, aliases: 0 }
  const value = convert(root, '', 0, conversion)
  return conversion.problems.length > 0 ? { ok: false, problems: conversion.problems } : { ok: true, value, lines: conversion.lines }
}

interface Conversion {
  readonly lines: Map<string, number>
  readonly problems: Problem[]
  readonly anchors: Map<string, Node>
  readonly lineCounter: LineCounter
  values: number
  aliases: number
}

function failed(problem: Problem): ReadDocument {
  return { ok: false, problems: [problem] }
}

function syntaxProblem(
  error: { readonly code: string; readonly message: string; readonly pos: [number, number] },
  lineCounter: LineCounter
): Problem {
  const { line, col } = lineCounter.linePos(error.pos[0])
  const duplicate = error.code === 'DUPLICATE_KEY'
  return {
    path: `line ${line}, column ${col}`,
    problem: duplicate ? 'the key is there twice' : `the text is not valid YAML: ${error.message}`,
    fix: duplicate ? 'Keep one of the two.' : 'Mend the syntax at this place; strings with special characters go into quotes.'
  }
}

function convert(node: Node | null, path: string, depth: number, conversion: Conversion): unknown {
  conversion.values++
  if (conversion.values > VALUES_MAX || depth > DEPTH_MAX) {
    const problem =
      depth > DEPTH_MAX ? `it is nested deeper than ${DEPTH_MAX} levels` : `there are more than ${VALUES_MAX} values once aliases are expanded`
    if (conversion.problems.length === 0) conversion.problems.push({ path, problem, fix: 'Write the values out, without nesting aliases.' })
    return undefined
  }
  if (node === null) return null
  const line = node.range ? conversion.lineCounter.linePos(node.range[0]).line : 0
  if (!conversion.lines.has(path)) conversion.lines.set(path, line)
  if (isAlias(node)) return convertAlias(node.source, path, depth, conversion)
  if ('anchor' in node && node.anchor !== undefined) conversion.anchors.set(node.anchor, node)
  if (isScalar(node)) return scalarValue(node.value, node.source)
  if (isSeq(node)) return node.items.map((item, index) => convert(item as Node | null, `${path}[${index}]`, depth + 1, conversion))
  if (!isMap(node)) return undefined
  const fields: [string, unknown][] = []
  const seen = new Set<string>()
  for (const pair of node.items) {
    const name = keyText(pair.key)
    const at = joinPath(path, name ?? '?')
    if (name === undefined) conversion.problems.push({ path, problem: 'a key is not a text', fix: 'Write keys as plain text or in quotes.' })
    else if (isReservedName(name)) conversion.problems.push({ path: at, problem: `"${name}" cannot be a name`, fix: 'Choose another name.' })
    else if (seen.has(name)) conversion.problems.push({ path: at, problem: 'the key is there twice', fix: 'Keep one of the two.' })
    else {
      seen.add(name)
      const keyLine = (pair.key as Node).range
      if (keyLine) conversion.lines.set(at, conversion.lineCounter.linePos(keyLine[0]).line)
      fields.push([name, convert(pair.value as Node | null, at, depth + 1, conversion)])
    }
  }
  return Object.fromEntries(fields)
}

function convertAlias(name: string, path: string, depth: number, conversion: Conversion): unknown {
  conversion.aliases++
  if (conversion.aliases > ALIASES_MAX) {
    if (conversion.problems.length === 0) {
      conversion.problems.push({ path, problem: `there are more than ${ALIASES_MAX} aliases once they are expanded`, fix: 'Write the values out.' })
    }
    return undefined
  }
  const target = conversion.anchors.get(name)
  if (target === undefined) {
    conversion.problems.push({ path, problem: `the alias *${name} has no anchor before it`, fix: `Put &${name} before it, or write the value out.` })
    return undefined
  }
  return convert(target, path, depth + 1, conversion)
}

function keyText(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined
  if (typeof key.value === 'string') return key.value
  return key.source
}

function scalarValue(value: unknown, source: string | undefined): unknown {
  if (typeof value !== 'number' || source === undefined) return value
  const exact = Number.isInteger(value) ? String(value) === source && Number.isSafeInteger(value) : Number.isFinite(value)
  return exact || /^-?[0-9]{1,15}\.[0-9]+$/.test(source) ? value : source
}

export function joinPath(path: string, name: string): string {
  const plain = /^[A-Za-z_][A-Za-z0-9_-]*$/.test(name)
  if (!plain) return `${path}[${JSON.stringify(name)}]`
  return path === '' ? name : `${path}.${name}`
}

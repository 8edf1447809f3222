import type { ByteCursor } from './byte-cursor.ts'
import { malformed } from './errors.ts'
import { parseJsonBinary } from './json-binary.ts'
import { type JsonNode, jsonText } from './json-tree.ts'
import type { JsonChange } from './values.ts'

/** Partial updates of JSON columns: `UPDATE t SET doc = JSON_SET(doc, …)` logs paths and values instead of the document. */

export interface JsonStep {
  readonly operation: JsonChange['operation']
  readonly path: string
  readonly value: JsonNode | undefined
}

const OPERATIONS = ['replace', 'insert', 'remove'] as const

/** Reads to the end of the cursor. @throws BINLOG_MALFORMED, BINLOG_TRUNCATED */
export function readJsonSteps(cursor: ByteCursor): JsonStep[] {
  const steps: JsonStep[] = []
  while (cursor.left > 0) {
    const operation = OPERATIONS[cursor.u8()]
    if (operation === undefined) throw malformed({ ...cursor.place(), reason: 'JSON change: operation' })
    const path = cursor.text(cursor.lengthCoded())
    const value = operation === 'remove' ? undefined : parseJsonBinary(cursor, cursor.lengthCoded())
    steps.push({ operation, path, value })
  }
  return steps
}

export function describeSteps(steps: readonly JsonStep[]): JsonChange[] {
  return steps.map(({ operation, path, value }) => ({ operation, path, value: value === undefined ? undefined : jsonText(value) }))
}

/** The document after the steps; `root` is changed in place. @throws BINLOG_MALFORMED where a step does not fit the document. */
export function applyJsonSteps(root: JsonNode, steps: readonly JsonStep[], cursor: ByteCursor): JsonNode {
  let document = root
  for (const step of steps) {
    const legs = parsePath(step.path)
    const last = legs?.pop()
    if (legs === undefined) return misfit(cursor, step)
    if (last === undefined) {
      if (step.operation !== 'replace' || step.value === undefined) return misfit(cursor, step)
      document = step.value
      continue
    }
    const parent = legs.reduce<JsonNode | undefined>(childOf, document)
    if (parent === undefined || !change(parent, last, step)) return misfit(cursor, step)
  }
  return document
}

function misfit(cursor: ByteCursor, { operation, path }: JsonStep): never {
  throw malformed({ ...cursor.place(), reason: `JSON change: ${operation} at ${path} does not fit the document` })
}

function childOf(node: JsonNode | undefined, leg: string | number): JsonNode | undefined {
  if (node?.kind === 'array' && typeof leg === 'number') return node.items[leg]
  if (node?.kind === 'object' && typeof leg === 'string') return node.members.find(({ key }) => key === leg)?.value
  return undefined
}

function change(parent: JsonNode, leg: string | number, { operation, value }: JsonStep): boolean {
  if (parent.kind === 'array' && typeof leg === 'number') return changeItem(parent.items, leg, { operation, value })
  if (parent.kind === 'object' && typeof leg === 'string') return changeMember(parent.members, leg, { operation, value })
  return false
}

type Change = Pick<JsonStep, 'operation' | 'value'>

function changeItem(items: JsonNode[], index: number, { operation, value }: Change): boolean {
  if (operation === 'insert') {
    if (value === undefined || index > items.length) return false
    items.splice(index, 0, value)
    return true
  }
  if (index >= items.length) return false
  items.splice(index, 1, ...(value === undefined ? [] : [value]))
  return true
}

function changeMember(members: { readonly key: string; value: JsonNode }[], key: string, { operation, value }: Change): boolean {
  const at = members.findIndex((member) => member.key === key)
  if (operation === 'insert') {
    if (at !== -1 || value === undefined) return false
    const behind = members.findIndex((member) => compareKeys(member.key, key) > 0)
    members.splice(behind === -1 ? members.length : behind, 0, { key, value })
    return true
  }
  if (at === -1) return false
  members.splice(at, 1, ...(value === undefined ? [] : [{ key, value }]))
  return true
}

/** The server's order of keys: shorter first, then by bytes. */
function compareKeys(left: string, right: string): number {
  const [leftBytes, rightBytes] = [Buffer.from(left), Buffer.from(right)]
  return leftBytes.length - rightBytes.length || leftBytes.compare(rightBytes)
}

/** Legs of `$.key[3]."other key"`; undefined for anything else: wildcards never stand in a change. */
export function parsePath(path: string): (string | number)[] | undefined {
  if (!path.startsWith('$')) return undefined
  const legs: (string | number)[] = []
  const leg = /\s*(?:\[\s*(\d{1,9})\s*\]|\.\s*("(?:[^"\\]|\\.)*"|[^\s.[\]"*]+))\s*/y
  for (leg.lastIndex = 1; leg.lastIndex < path.length; ) {
    const match = leg.exec(path)
    if (match === null) return undefined
    const key = match[2]
    if (key === undefined) legs.push(Number(match[1]))
    else if (key.startsWith('"')) {
      const parsed = parseKey(key)
      if (parsed === undefined) return undefined
      legs.push(parsed)
    } else legs.push(key)
  }
  return legs
}

function parseKey(quoted: string): string | undefined {
  try {
    const key: unknown = JSON.parse(quoted)
    return typeof key === 'string' ? key : undefined
  } catch {
    // Not JSON: the caller reports the whole path.
    return undefined
  }
}

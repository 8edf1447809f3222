import { isUtf8 } from 'node:buffer'
import { ByteCursor } from './byte-cursor.ts'
import { malformed } from './errors.ts'
import { jsonDoubleText } from './float-text.ts'
import { opaqueText } from './json-opaque.ts'
import type { JsonNode } from './json-tree.ts'

/** The server's own limit of nesting. */
const DEPTH_MAX = 100

const CODE = { smallObject: 0, largeObject: 1, smallArray: 2, largeArray: 3, literal: 4, string: 12, opaque: 15 }
const LITERALS = ['null', 'true', 'false']

/**
 * MySQL's binary JSON. Offsets in it may point anywhere in the document, so hostile bytes could make a tree far larger than
 * themselves: `budget` counts one for each value and each byte of text, and a sound document never counts more than its size.
 */
export function parseJsonBinary(cursor: ByteCursor, size: number): JsonNode {
  const at = cursor.at
  const bytes = cursor.view(size)
  // The server reads the empty document, which old versions stored for invalid inserts, as null.
  if (size === 0) return { kind: 'scalar', text: 'null' }
  const document: Document = { bytes, base: at, cursor, budget: size + 1 }
  return readValue(document, { code: bytes[0] as number, at: 1, depth: 1 })
}

interface Document {
  readonly bytes: Buffer
  /** Offset of the document in the event, for errors. */
  readonly base: number
  readonly cursor: ByteCursor
  budget: number
}

interface Place {
  readonly code: number
  /** Offset of the value in the document. */
  readonly at: number
  readonly depth: number
}

function readValue(document: Document, { code, at, depth }: Place): JsonNode {
  spend(document, 1)
  switch (code) {
    case CODE.smallObject:
    case CODE.largeObject:
      return readObject(container(document, at, { large: code === CODE.largeObject, depth }))
    case CODE.smallArray:
    case CODE.largeArray:
      return readArray(container(document, at, { large: code === CODE.largeArray, depth }))
    case CODE.string:
      return { kind: 'scalar', text: JSON.stringify(readText(document, readSized(cursorAt(document, at)))) }
    case CODE.opaque:
      return readOpaque(document, at)
    default:
      return { kind: 'scalar', text: scalarText(document, code, cursorAt(document, at)) }
  }
}

function scalarText(document: Document, code: number, cursor: ByteCursor): string {
  switch (code) {
    case CODE.literal:
      return LITERALS[cursor.u8()] ?? broken(document, 'literal')
    case 5:
      return String((cursor.u16() << 16) >> 16)
    case 6:
      return String(cursor.u16())
    case 7:
      return String(cursor.i32())
    case 8:
      return String(cursor.u32())
    case 9:
      return String(cursor.i64())
    case 10:
      return String(cursor.u64())
    case 11: {
      const value = cursor.bytes.readDoubleLE(cursor.take(8))
      return Number.isFinite(value) ? jsonDoubleText(value) : broken(document, 'double')
    }
    default:
      return broken(document, `type ${code}`)
  }
}

interface Container {
  readonly document: Document
  /** Of this container's bytes only, so that no offset inside leaves it. */
  readonly bytes: Buffer
  readonly at: number
  readonly count: number
  readonly word: 2 | 4
  readonly depth: number
}

function container(document: Document, at: number, { large, depth }: { large: boolean; depth: number }): Container {
  if (depth > DEPTH_MAX) broken(document, `deeper than ${DEPTH_MAX}`)
  const word = large ? 4 : 2
  const cursor = cursorAt(document, at)
  const count = cursor.uint(word)
  const size = cursor.uint(word)
  const head = new ByteCursor(document.bytes, at, document.bytes.length, document.cursor.context)
  return { document, bytes: head.view(size), at, count, word, depth }
}

function readArray(box: Container): JsonNode {
  const items: JsonNode[] = []
  const cursor = new ByteCursor(box.bytes, 2 * box.word, box.bytes.length, box.document.cursor.context)
  for (let index = 0; index < box.count; index++) items.push(readEntry(box, cursor))
  return { kind: 'array', items }
}

function readObject(box: Container): JsonNode {
  const { document, word, count } = box
  const members: { key: string; value: JsonNode }[] = []
  const keys = new ByteCursor(box.bytes, 2 * word, box.bytes.length, document.cursor.context)
  const values = new ByteCursor(box.bytes, 2 * word, box.bytes.length, document.cursor.context)
  values.skip(count * (word + 2))
  for (let index = 0; index < count; index++) {
    const offset = keys.uint(word)
    const key = new ByteCursor(box.bytes, Math.min(offset, box.bytes.length), box.bytes.length, document.cursor.context).view(keys.u16())
    members.push({ key: readText(document, key), value: readEntry(box, values) })
  }
  return { kind: 'object', members }
}

/** One entry of a container: the type and, by size, the value itself or its offset. */
function readEntry({ document, bytes, at, word, depth }: Container, entries: ByteCursor): JsonNode {
  const code = entries.u8()
  const inlined = code === CODE.literal || code === 5 || code === 6 || (word === 4 && (code === 7 || code === 8))
  if (inlined) {
    spend(document, 1)
    const text = scalarText(document, code, new ByteCursor(bytes, entries.at, bytes.length, entries.context))
    entries.skip(word)
    return { kind: 'scalar', text }
  }
  const offset = entries.uint(word)
  if (offset < 2 * word || offset >= bytes.length) broken(document, `offset ${offset}`)
  return readValue(document, { code, at: at + offset, depth: depth + 1 })
}

function readOpaque(document: Document, at: number): JsonNode {
  const cursor = cursorAt(document, at)
  const typeCode = cursor.u8()
  const bytes = readSized(cursor)
  spend(document, bytes.length)
  // An opaque string is a string that came from a column.
  if (typeCode === 253) return { kind: 'scalar', text: JSON.stringify(readText(document, bytes)) }
  const inner = new ByteCursor(bytes, 0, bytes.length, cursor.context)
  return { kind: 'scalar', text: opaqueText(inner, typeCode) }
}

/** A length of 7 bits per byte, low bits first, then so many bytes. */
function readSized(cursor: ByteCursor): Buffer {
  let size = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = cursor.u8()
    size += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return cursor.view(size)
  }
  throw malformed({ ...cursor.place(), reason: 'JSON length of more than 32 bits' })
}

function readText(document: Document, bytes: Buffer): string {
  spend(document, bytes.length)
  // Replacement characters would be a wrong value that looks right.
  return isUtf8(bytes) ? bytes.toString('utf8') : broken(document, 'text is not UTF-8')
}

function cursorAt(document: Document, at: number): ByteCursor {
  return new ByteCursor(document.bytes, at, document.bytes.length, document.cursor.context)
}

function spend(document: Document, amount: number): void {
  document.budget -= amount
  if (document.budget < 0) broken(document, 'values overlap')
}

function broken(document: Document, reason: string): never {
  throw malformed({ ...document.cursor.place(), offset: document.base, reason: `JSON: ${reason}` })
}

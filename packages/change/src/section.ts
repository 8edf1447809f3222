import type { ByteCursor, ByteWriter } from './bytes.ts'
import { createCursor, createWriter, putByte, putRaw, putVarint, skip, takeByte, takeVarint } from './bytes.ts'
import { changeCorrupt, changeFeatureUnknown } from './errors.ts'

/**
 * A section is a number, a flag and its bytes. Later versions may add sections. A reader that does not know one passes over it
 * only where its writer said that the result is right without it.
 */
const NEEDED = 0
const SKIPPABLE = 1

export function putSection(writer: ByteWriter, number: number, write: (content: ByteWriter) => void): void {
  const content = createWriter(256)
  write(content)
  putSectionBytes(writer, number, content.bytes.subarray(0, content.at))
}

export function putSectionBytes(writer: ByteWriter, number: number, content: Uint8Array): void {
  putSectionHead(writer, number, content.length)
  putRaw(writer, content)
}

/** For content that is written behind it by the caller. */
export function putSectionHead(writer: ByteWriter, number: number, contentBytes: number): void {
  putVarint(writer, number)
  putByte(writer, NEEDED)
  putVarint(writer, contentBytes)
}

/** Sections up to the end of the cursor: those that are known, each once. @throws CHANGE_FEATURE_UNKNOWN, CHANGE_CORRUPT, CHANGE_TRUNCATED */
export function takeSections(cursor: ByteCursor, known: readonly number[], feature: string): ReadonlyMap<number, ByteCursor> {
  const found = new Map<number, ByteCursor>()
  while (cursor.at < cursor.end) {
    const offset = cursor.at
    const number = takeVarint(cursor)
    const flag = takeByte(cursor)
    if (flag !== NEEDED && flag !== SKIPPABLE) throw changeCorrupt({ offset, finding: `a section with the flag ${flag}` })
    const length = takeVarint(cursor)
    const at = skip(cursor, length)
    if (known.includes(number)) {
      if (found.has(number)) throw changeCorrupt({ offset, finding: `the section ${number} is there twice` })
      found.set(number, createCursor(cursor.bytes, at, at + length))
    } else if (flag === NEEDED) throw changeFeatureUnknown({ offset, feature, value: number })
  }
  return found
}

/** The one that must be there. @throws CHANGE_CORRUPT */
export function section(sections: ReadonlyMap<number, ByteCursor>, number: number, offset: number): ByteCursor {
  const found = sections.get(number)
  if (found === undefined) throw changeCorrupt({ offset, finding: `the section ${number} is missing` })
  return found
}

/** @throws CHANGE_CORRUPT when a section holds more than its fields */
export function assertEnd(cursor: ByteCursor): void {
  if (cursor.at !== cursor.end) throw changeCorrupt({ offset: cursor.at, finding: `${cursor.end - cursor.at} bytes too many` })
}

/** Room for later fields of small things (a table, a transaction): how many bytes of sections follow, none today. */
export function putNoExtensions(writer: ByteWriter): void {
  putVarint(writer, 0)
}

/** @throws CHANGE_FEATURE_UNKNOWN */
export function skipExtensions(cursor: ByteCursor, feature: string): void {
  const length = takeVarint(cursor)
  const at = skip(cursor, length)
  takeSections(createCursor(cursor.bytes, at, at + length), [], feature)
}

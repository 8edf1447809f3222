import { decodeText } from './charset.ts'
import type { CollationWeights } from './collation-weights.ts'

/** How the target's collation compares the texts of a key column. */
export interface KeyFolding {
  /** Texts that the collation holds for equal have the same one, as far as `isExact` says; others never. */
  fold(bytes: Buffer): string
  isExact(bytes: Buffer): boolean
}

export interface FoldedColumn {
  readonly collation: string
  /** Of the bytes. */
  readonly characterSet: string
  /** Of the collation: with it the folding is the server's own. */
  readonly weights: CollationWeights | undefined
}

export function foldingOf({ collation, characterSet, weights }: FoldedColumn): KeyFolding {
  const padded = isPadded(collation)
  if (collation === '' || /(?:_bin|^binary)$/.test(collation)) {
    const space = padded ? Buffer.from(SPACES[characterSet] ?? '20', 'hex') : undefined
    return { fold: (bytes) => withoutPadding(bytes, space).toString('latin1'), isExact: () => true }
  }
  if (weights !== undefined) return weighedFolding({ collation, characterSet, weights }, padded)
  return asciiFolding({ collation, characterSet, weights }, padded)
}

/** Whether spaces at the end do not count. */
export function isPadded(collation: string): boolean {
  return collation !== 'binary' && !/_nopad_|_0900_/.test(collation)
}

/** Languages give weights to letters that stand together (Hungarian ccs = cscs); Thai and Lao vowels change places. */
const WHOLE_LETTERS =
  /^[a-z0-9]+_(?:general|general_nopad|unicode|unicode_nopad|unicode_520|unicode_520_nopad|general_mysql500|0900|uca1400|uca1400_nopad)_(?:a[is]_)?c[is]$/
const CHANGING_PLACES = /[\u0e00-\u0eff\uaa80-\uaadf\u19b0-\u19ca]/

function weighedFolding({ collation, characterSet, weights }: FoldedColumn & { readonly weights: CollationWeights }, padded: boolean): KeyFolding {
  const { byBytes } = weights
  const spaces = weights.levels[0x20] ?? []
  const trim = (text: string, level: number): string => (padded ? withoutEnd(text, spaces[level] ?? '') : text)
  const levelCount = weights.levels[0x61]?.length ?? 1
  const textOf = byBytes ? (bytes: Buffer): string => bytes.toString('latin1') : (bytes: Buffer): string => decoded(bytes, characterSet)
  const fold = (bytes: Buffer): string => {
    const text = textOf(bytes)
    let all = trim(weightOf(text, 0, weights), 0)
    for (let level = 1; level < levelCount; level++) all += `\u0000\u0000${trim(weightOf(text, level, weights), level)}`
    return all
  }
  const isWhole = byBytes || WHOLE_LETTERS.test(collation)
  return { fold, isExact: (bytes) => isWhole && (byBytes || !CHANGING_PLACES.test(textOf(bytes))) }
}

function weightOf(text: string, level: number, { levels, supplementary }: CollationWeights): string {
  let weight = ''
  for (let at = 0; at < text.length; at++) {
    const point = text.codePointAt(at) as number
    if (point > 0xffff) at += 1
    const found = levels[point] ?? (point > 0xffff ? supplementary : undefined)
    // Letters that were not asked for are equal to themselves only; no weight begins so.
    weight += found === undefined ? `\uffff${String.fromCodePoint(point)}` : (found[level] ?? '')
  }
  return weight
}

/**
 * Without the server's weights: printable ASCII in the collations where it is equal exactly by its lower case. Some languages join
 * letters (Roman I = J, Lithuanian Y = I) or keep them apart (Turkish I and ı).
 */
const ASCII_BY_CASE =
  /_(?:general_ci|general_nopad_ci|unicode_ci|unicode_nopad_ci|unicode_520_ci|unicode_520_nopad_ci|0900_ai_ci|0900_as_ci|uca1400(?:_nopad)?_a[is]_ci|swedish_ci|swedish_nopad_ci|chinese_ci|chinese_nopad_ci|japanese_ci|japanese_nopad_ci|korean_ci|korean_nopad_ci|german1_ci|german2_ci)$/

function asciiFolding({ collation, characterSet }: FoldedColumn, padded: boolean): KeyFolding {
  const byCase = /_cs$/.test(collation)
  const isPlain = byCase || ASCII_BY_CASE.test(collation)
  return {
    fold: (bytes) => {
      const text = decoded(bytes, characterSet)
      const folded = byCase ? text : text.toLowerCase()
      return padded ? withoutEnd(folded, ' ') : folded
    },
    isExact: (bytes) => isPlain && !/[^\x20-\x7e]/.test(decoded(bytes, characterSet))
  }
}

function decoded(bytes: Buffer, characterSet: string): string {
  return decodeText(bytes, characterSet) ?? bytes.toString('latin1')
}

function withoutEnd(text: string, end: string): string {
  if (end === '') return text
  let length = text.length
  while (length >= end.length && text.startsWith(end, length - end.length)) length -= end.length
  return length === text.length ? text : text.slice(0, length)
}

const SPACES: Readonly<Record<string, string>> = { ucs2: '0020', utf16: '0020', utf16le: '2000', utf32: '00000020' }

function withoutPadding(bytes: Buffer, space: Buffer | undefined): Buffer {
  if (space === undefined) return bytes
  let end = bytes.length
  while (end >= space.length && bytes.subarray(end - space.length, end).equals(space)) end -= space.length
  return bytes.subarray(0, end)
}

import { decodeText } from './charset.ts'
import { isPlainText } from './quote.ts'

/** How the target's collation compares the texts of a key column. */
export interface KeyFolding {
  /** Texts that the collation holds for equal have the same one, as far as `isExact` says. */
  fold(bytes: Buffer): string
  isExact(bytes: Buffer): boolean
}

/**
 * Collations without case in which printable ASCII is equal exactly by its lower case. Those of single languages may join letters
 * (Hungarian ccs = cscs, Roman I = J, Lithuanian Y = I) or keep them apart (Turkish I and ı).
 */
const ASCII_BY_CASE =
  /_(?:general_ci|general_nopad_ci|unicode_ci|unicode_nopad_ci|unicode_520_ci|unicode_520_nopad_ci|0900_ai_ci|0900_as_ci|uca1400(?:_nopad)?_a[is]_ci|swedish_ci|swedish_nopad_ci|chinese_ci|chinese_nopad_ci|japanese_ci|japanese_nopad_ci|korean_ci|korean_nopad_ci|german1_ci|german2_ci)$/

const BY_BYTES = /(?:_bin|^binary)$/
const BY_CASE_TOO = /_cs$/

/** Whether spaces at the end do not count. */
export function isPadded(collation: string): boolean {
  return collation !== 'binary' && !/_nopad_|_0900_/.test(collation)
}

export function foldingOf(collation: string, characterSet: string): KeyFolding {
  const padded = isPadded(collation)
  const trimmed = (text: string): string => (padded ? text.replace(/ +$/, '') : text)
  if (BY_BYTES.test(collation) || collation === '') {
    const space = spaceOf(characterSet)
    return { fold: (bytes) => withoutPadding(bytes, padded ? space : '').toString('latin1'), isExact: () => true }
  }
  const byCase = BY_CASE_TOO.test(collation)
  const asciiIsExact = byCase || ASCII_BY_CASE.test(collation)
  const textOf = (bytes: Buffer): string => decodeText(bytes, characterSet) ?? bytes.toString('latin1')
  return {
    fold: (bytes) => {
      const text = textOf(bytes)
      if (isPlainText(text) || !/[^\x20-\x7e]/.test(text)) return trimmed(byCase ? text : text.toLowerCase())
      return trimmed(byCase ? text.normalize('NFC') : loosely(text))
    },
    isExact: (bytes) => asciiIsExact && !/[^\x20-\x7e]/.test(textOf(bytes))
  }
}

/** Letters without case, accents and width, the way most collations see them; not exact for any. */
function loosely(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toUpperCase()
    .toLowerCase()
}

const SPACES: Readonly<Record<string, string>> = { ucs2: '0020', utf16: '0020', utf16le: '2000', utf32: '00000020' }

function spaceOf(characterSet: string): string {
  return SPACES[characterSet] ?? '20'
}

function withoutPadding(bytes: Buffer, spaceHex: string): Buffer {
  if (spaceHex === '') return bytes
  const space = Buffer.from(spaceHex, 'hex')
  let end = bytes.length
  while (end >= space.length && bytes.subarray(end - space.length, end).equals(space)) end -= space.length
  return bytes.subarray(0, end)
}

/** Character sets of both flavours, as far as exact values need to know them. */

/** Collation ids of the binlog. MariaDB's from 2048 on come in blocks of 256 per character set. */
const IDS: Readonly<Record<string, string>> = {
  armscii8: '32 64 1056 1088',
  ascii: '11 65 1035 1089',
  big5: '1 84 1025 1108',
  binary: '63',
  cp1250: '26 34 44 66 99 1050 1090',
  cp1251: '14 23 50-52 1074-1075',
  cp1256: '57 67 1081 1091',
  cp1257: '29 58-59 1082-1083',
  cp850: '4 80 1028 1104',
  cp852: '40 81 1064 1105',
  cp866: '36 68 1060 1092',
  cp932: '95-96 1119-1120',
  dec8: '3 69 1027 1093',
  eucjpms: '97-98 1121-1122',
  euckr: '19 85 1043 1109',
  gb18030: '248-250',
  gb2312: '24 86 1048 1110',
  gbk: '28 87 1052 1111',
  geostd8: '92-93 1116-1117',
  greek: '25 70 1049 1094',
  hebrew: '16 71 1040 1095',
  hp8: '6 72 1030 1096',
  keybcs2: '37 73 1061 1097',
  koi8r: '7 74 1031 1098',
  koi8u: '22 75 1046 1099',
  latin1: '5 8 15 31 47-49 94 1032 1071',
  latin2: '2 9 21 27 77 1033 1101',
  latin5: '30 78 1054 1102',
  latin7: '20 41-42 79 1065 1103',
  macce: '38 43 1062 1067',
  macroman: '39 53 1063 1077',
  sjis: '13 88 1037 1112',
  swe7: '10 82 1034 1106',
  tis620: '18 89 1042 1113',
  ucs2: '35 90 128-159 640-642 1059 1114 1152-1183 2560-2815',
  ujis: '12 91 1036 1115',
  utf16: '54-55 101-124 672-674 1078-1079 1125-1147 2816-3071',
  utf16le: '56 62 1080 1086',
  utf32: '60-61 160-183 736-738 1084-1085 1184-1206 3072-3327',
  utf8mb3: '33 76 83 192-215 223 576-578 1057 1107 1216-1238 2048-2303',
  utf8mb4: '45-46 224-247 255-323 608-610 1069-1070 1248-1270 2304-2559'
}

const BY_ID = new Map(
  Object.entries(IDS).flatMap(([name, ids]) =>
    ids.split(' ').flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, at): [number, string] => [first + at, name])
    })
  )
)

/** Undefined for a collation that this version has never heard of. */
export function characterSetOfCollation(id: number): string | undefined {
  return BY_ID.get(id)
}

/** Bytes 0x20 to 0x7E alone mean other letters there, or are halves of letters. */
const NOT_ASCII = new Set(['ucs2', 'utf16', 'utf16le', 'utf32', 'swe7', 'armscii8', 'geostd8', 'hp8', 'dec8', 'keybcs2', 'macce', 'macroman'])

/** Whether printable ASCII has the same bytes in this character set, so that it can stand in any literal. */
export function isAsciiBased(characterSet: string): boolean {
  return !NOT_ASCII.has(characterSet)
}

const UNICODE = new Set(['utf8mb4', 'utf16', 'utf16le', 'utf32', 'gb18030'])

/** Whether each text of `from` can be written in `to` and read back the same. */
export function isSuperset(to: string, from: string): boolean {
  if (to === from) return true
  if (from === 'binary' || to === 'binary') return false
  if (UNICODE.has(to)) return true
  if (from === 'ascii') return isAsciiBased(to)
  return from === 'ucs2' || from === 'utf8mb3' ? to === 'utf8mb3' || to === 'ucs2' : to === 'utf8mb3' && !UNICODE.has(from) && from !== 'gb18030'
}

/** Bytes of one character at most. */
export function bytesPerCharacter(characterSet: string): number {
  if (['utf8mb4', 'utf16', 'utf16le', 'utf32', 'gb18030'].includes(characterSet)) return 4
  if (['utf8mb3', 'ujis', 'eucjpms'].includes(characterSet)) return 3
  return ['ucs2', 'gbk', 'gb2312', 'big5', 'sjis', 'cp932', 'euckr'].includes(characterSet) ? 2 : 1
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const DECODERS: Readonly<Record<string, string>> = {
  utf16: 'utf-16be',
  ucs2: 'utf-16be',
  utf16le: 'utf-16le',
  gbk: 'gbk',
  gb18030: 'gb18030',
  sjis: 'shift_jis',
  cp932: 'shift_jis',
  ujis: 'euc-jp',
  eucjpms: 'euc-jp',
  euckr: 'euc-kr',
  big5: 'big5',
  cp1250: 'windows-1250',
  cp1251: 'windows-1251',
  cp1256: 'windows-1256',
  cp1257: 'windows-1257',
  latin1: 'windows-1252',
  latin2: 'iso-8859-2',
  koi8r: 'koi8-r',
  koi8u: 'koi8-u',
  cp866: 'ibm866'
}

/** Text for people and for folding; undefined where it cannot be told. */
export function decodeText(bytes: Uint8Array, characterSet: string): string | undefined {
  try {
    if (characterSet === 'utf8mb4' || characterSet === 'utf8mb3' || characterSet === 'ascii') return UTF8.decode(bytes)
    if (characterSet === 'utf32') return decodeUtf32(bytes)
    const label = DECODERS[characterSet]
    return label === undefined ? undefined : new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function decodeUtf32(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length >> 2 }, (_, at) => String.fromCodePoint(view.getUint32(at * 4))).join('')
}

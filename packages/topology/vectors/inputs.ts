import type { KeyRules } from '../src/canonical-key.ts'

export interface VectorInput extends KeyRules {
  readonly name: string
  /** Text, or bytes where no text has them. */
  readonly input: string | readonly number[]
}

type Named = readonly [name: string, input: string | readonly number[]]

const INTEGERS: readonly Named[] = [
  ...['0', '1', '2', '9', '10', '42', '100', '1023', '1024', '1025', '65535', '65536', '110000', '13800138000'].map(
    (text): Named => [`integer ${text}`, text]
  ),
  ['2^31 - 1', '2147483647'],
  ['2^31', '2147483648'],
  ['2^32 - 1', '4294967295'],
  ['2^32', '4294967296'],
  ['2^53 - 1', '9007199254740991'],
  ['2^53', '9007199254740992'],
  ['2^53 + 1', '9007199254740993'],
  ['2^63 - 1', '9223372036854775807'],
  ['2^63', '9223372036854775808'],
  ['2^64 - 1', '18446744073709551615'],
  ['2^64', '18446744073709551616'],
  ['21 digits', '100000000000000000000'],
  ['30 digits', '123456789012345678901234567890']
]

const ODD_NUMBERS: readonly Named[] = [
  ['two zeros', '00'],
  ['leading zero', '01'],
  ['leading zeros', '007'],
  ['plus sign', '+1'],
  ['minus sign', '-1'],
  ['minus zero', '-0'],
  ['point zero', '1.0'],
  ['point at the end', '1.'],
  ['point at the start', '.5'],
  ['fraction', '3.14'],
  ['exponent', '1e3'],
  ['capital exponent', '1E3'],
  ['exponent with plus', '1e+3'],
  ['exponent with minus', '1e-3'],
  ['signed fraction with exponent', '-1.5e3'],
  ['exponent without digits', '1e'],
  ['digits after a letter', 'e1'],
  ['hexadecimal with prefix', '0x1F'],
  ['hexadecimal that is an exponent', '12e4'],
  ['hexadecimal id', '507f1f77bcf86cd799439011'],
  ['binary with prefix', '0b11'],
  ['underscore between digits', '1_000'],
  ['comma between digits', '1,000'],
  ['two points', '1.2.3'],
  ['only a point', '.'],
  ['only a minus', '-'],
  ['only a plus', '+'],
  ['not a number', 'NaN'],
  ['infinity', 'Infinity'],
  ['space between digits', '1 000'],
  ['letter after digits', '42a']
]

const TEXTS: readonly Named[] = [
  ['empty', ''],
  ['lower case', 'alice'],
  ['capital', 'Alice'],
  ['capitals', 'ALICE'],
  ['inner space', 'alice b'],
  ['address', 'Alice.B+tag@Example.com'],
  ['uuid', '3f2b8c1e-9d4a-4f6b-8a7c-5e1d2c3b4a59'],
  ['capital uuid', '3F2B8C1E-9D4A-4F6B-8A7C-5E1D2C3B4A59'],
  ['ulid', '01ARZ3NDEKTSV4RRFFQ69G5FAV'],
  ['pinned key', 'vip-42'],
  ['check value of CRC-32', '123456789'],
  ['quotes and backslash', 'a"b\\c\'d'],
  ['percent and slash', 'a%2Fb/c'],
  ['pin prefix', 'pin:vip-42'],
  ['object property', 'constructor'],
  ['prototype', '__proto__'],
  ['null as text', 'null'],
  ['true as text', 'true'],
  ['47 characters', 'k'.repeat(47)],
  ['48 characters', 'k'.repeat(48)],
  ['49 characters', 'k'.repeat(49)],
  ['127 characters', 'x'.repeat(127)],
  ['4095 bytes', 'y'.repeat(4095)],
  ['4096 bytes', 'z'.repeat(4096)],
  ['4097 bytes', 'z'.repeat(4097)],
  ['4096 bytes of three-byte characters and one', `${'界'.repeat(1365)}a`],
  ['4098 bytes of three-byte characters', '界'.repeat(1366)]
]

const SPACES_AND_CONTROLS: readonly Named[] = [
  ['only a space', ' '],
  ['leading space', ' alice'],
  ['trailing space', 'alice '],
  ['leading tab', '\talice'],
  ['trailing line feed', 'alice\n'],
  ['inner line feed', 'ali\nce'],
  ['inner tab', 'ali\tce'],
  ['carriage return', 'alice\r'],
  ['zero byte', 'ali\u0000ce'],
  ['unit separator', 'ali\u001fce'],
  ['delete', 'ali\u007fce'],
  ['next line (C1)', 'ali\u0085ce'],
  ['application command (C1)', 'ali\u009fce'],
  ['leading no-break space', '\u00a0alice'],
  ['inner no-break space', 'ali\u00a0ce'],
  ['trailing ideographic space', '商店\u3000'],
  ['trailing line separator', 'alice\u2028'],
  ['leading byte order mark', '\ufeffalice'],
  ['inner byte order mark', 'ali\ufeffce'],
  ['zero width space', 'ali\u200bce']
]

const UNICODE: readonly Named[] = [
  ['e acute composed', 'caf\u00e9'],
  ['e acute decomposed', 'cafe\u0301'],
  ['hangul composed', '\ud55c\uae00'],
  ['hangul decomposed', '\u1112\u1161\u11ab'],
  ['angstrom sign', '\u212b'],
  ['a with ring', '\u00e5'],
  ['ohm sign', '\u2126'],
  ['kelvin sign', '\u212a'],
  ['q with dot, no composed form', 'q\u0307'],
  ['combining marks that compose', 'a\u0323\u0302'],
  ['combining marks out of order', 'q\u0307\u0323'],
  ['ligature', 'o\ufb03ce'],
  ['chinese', '北京市朝阳区'],
  ['chinese with digits', '用户42'],
  ['rare ideograph', '\u{20bb7}野家'],
  ['compatibility ideograph', '\uf900'],
  ['japanese', 'ユーザー'],
  ['half width katakana', 'ﾕｰｻﾞｰ'],
  ['arabic', 'مستخدم'],
  ['hebrew with mark', 'שָׁלוֹם'],
  ['thai', 'ผู้ใช้'],
  ['devanagari', 'उपयोगकर्ता'],
  ['emoji', '😀'],
  ['emoji family', '👨‍👩‍👧‍👦'],
  ['emoji with skin colour', '👍🏽'],
  ['flag', '🇨🇳'],
  ['heart with variation selector', '❤️'],
  ['last code point', '\u{10ffff}'],
  ['private use', '\ue000'],
  ['full width digits', '１２３'],
  ['full width digit in text', '房间１'],
  ['arabic digits', '٣٤٥'],
  ['minus sign of typography', '−5'],
  ['superscript digit', 'm²'],
  ['roman numeral', 'Ⅷ'],
  ['full width letters', 'ａｂｃ'],
  ['bidi override', 'a\u202eb']
]

const BYTES: readonly Named[] = [
  ['byte ff', [0xff]],
  ['lone continuation', [0x61, 0x80]],
  ['overlong zero', [0xc0, 0x80]],
  ['overlong slash', [0xe0, 0x80, 0xaf]],
  ['lone surrogate', [0xed, 0xa0, 0x80]],
  ['surrogate pair as six bytes', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
  ['beyond the last code point', [0xf4, 0x90, 0x80, 0x80]],
  ['truncated character', [0xe2, 0x82]],
  ['latin-1 e acute', [0x63, 0x61, 0x66, 0xe9]],
  ['utf-8 e acute as bytes', [0x63, 0x61, 0x66, 0xc3, 0xa9]]
]

const FOLDED: readonly Named[] = [
  ['lower case', 'alice'],
  ['capital', 'Alice'],
  ['capitals', 'ALICE'],
  ['mixed with digits', 'AbC-042'],
  ['address', 'Alice.B+tag@Example.com'],
  ['capital uuid', '3F2B8C1E-9D4A-4F6B-8A7C-5E1D2C3B4A59'],
  ['number', '42'],
  ['leading zeros', '007'],
  ['capital exponent', '1E3'],
  ['e acute', 'Caf\u00e9'],
  ['capital e acute', 'CAF\u00c9'],
  ['dotted capital i', '\u0130stanbul'],
  ['dotless i', '\u0131'],
  ['sharp s', 'stra\u00dfe'],
  ['capital sharp s', 'STRA\u1e9eE'],
  ['sigma', 'σοφός'],
  ['capital sigma', 'ΣΟΦΟΣ'],
  ['cyrillic', 'привет'],
  ['capital cyrillic', 'Привет'],
  ['chinese and capitals', '北京BJ'],
  ['emoji and capitals', 'OK😀'],
  ['full width capital', 'Ａ'],
  ['title case digraph', 'ǅ'],
  ['long capitals', 'ABCDEFGH'.repeat(8)]
]

export const INPUTS: readonly VectorInput[] = [
  ...withRules([...INTEGERS, ...ODD_NUMBERS], 'auto', 'none'),
  ...withRules([...INTEGERS, ...ODD_NUMBERS, ...TEXTS.slice(0, 4)], 'integer', 'none'),
  ...withRules(ODD_NUMBERS, 'text', 'none'),
  ...withRules([...TEXTS, ...SPACES_AND_CONTROLS, ...UNICODE, ...BYTES], 'auto', 'none'),
  ...withRules(
    UNICODE.filter(([name]) => name.includes('digit') || name.includes('minus')),
    'text',
    'none'
  ),
  ...withRules(FOLDED, 'auto', 'lower'),
  ...withRules(FOLDED.slice(0, 8), 'text', 'lower')
]

function withRules(inputs: readonly Named[], keyType: KeyRules['keyType'], fold: KeyRules['fold']): readonly VectorInput[] {
  return inputs.map(([name, input]) => ({ name: `${keyType}${fold === 'lower' ? ' folded' : ''}: ${name}`, input, keyType, fold }))
}

import type { Flavour, RunQuery, TableDescription } from './description.ts'
import { descriptionInvalid } from './errors.ts'

/**
 * How a collation weighs each letter, as the server itself says it: two texts are equal when their weights are. A letter's weights are
 * bytes, one text per level; collations with accents or case compare level by level.
 */
export interface CollationWeights {
  /** Of a single-byte character set: letters are bytes, not code points. */
  readonly byBytes: boolean
  /** By code point or byte; undefined where it was not asked for. */
  readonly levels: readonly (readonly string[] | undefined)[]
  /** What all letters beyond the BMP weigh, in collations that do not tell them apart. */
  readonly supplementary: readonly string[] | undefined
}

const UNICODE = new Set(['utf8mb4', 'utf8mb3', 'ucs2', 'utf16', 'utf16le', 'utf32'])
const SINGLE_BYTE = new Set(
  'armscii8 ascii cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 dec8 geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman swe7'.split(
    ' '
  )
)

/** By bytes anyway, or with weights of letters that stand together, or levels that cannot be told apart. */
const NOT_WEIGHED = /_bin$|^binary$|_czech_cs$|_w2$|^tis620/

export function isWeighed(collation: string, characterSet: string): boolean {
  return !NOT_WEIGHED.test(collation) && (UNICODE.has(characterSet) || SINGLE_BYTE.has(characterSet))
}

const BLOCK = 256
/** Letters of plane 1 that are others in disguise, or have case; and an emoji block to see whether the collation tells them apart. */
const EXTRA_BLOCKS = [0x104, 0x105, 0x10c, 0x118, 0x16e, 0x1d4, 0x1d5, 0x1d6, 0x1d7, 0x1e9, 0x1ee, 0x1f1, 0x1f2, 0x1f6, 0x2f8, 0x2f9, 0x2fa]
const EMOJI = [0x1f600, 0x1f601] as const
const SURROGATES = { first: 0xd8, last: 0xdf }

const HEX_DIGITS = `(${Array.from({ length: 16 }, (_, digit) => `SELECT ${digit}${digit === 0 ? ' AS d' : ''}`).join(' UNION ALL ')})`

interface Weighed {
  readonly collation: string
  readonly characterSet: string
}

/** One row per block of 256 letters: their weights in hex, with commas between. */
function weightsSql({ collation, characterSet }: Weighed, flavour: Flavour): string {
  const unicode = UNICODE.has(characterSet)
  const n = 'blocks.block * 256 + high.d * 16 + low.d'
  const letter = unicode ? `CONVERT(CHAR(${n} USING utf32) USING ${characterSet})` : `CHAR(${n} USING ${characterSet})`
  const value = `${letter} COLLATE ${collation}`
  const level = (number: number): string => `HEX(WEIGHT_STRING(${value} LEVEL ${number}))`
  // MariaDB puts no mark between the levels, but gives each by itself.
  const weights = isByLevel(collation, flavour) ? `CONCAT_WS('.', ${[1, 2, 3].map(level).join(', ')})` : `HEX(WEIGHT_STRING(${value}))`
  const extra = characterSet === 'utf8mb3' || characterSet === 'ucs2' ? [] : EXTRA_BLOCKS.map((block) => ` UNION ALL SELECT ${block}`)
  const planes = `SELECT a.d * 16 + b.d AS block FROM ${HEX_DIGITS} a CROSS JOIN ${HEX_DIGITS} b WHERE a.d * 16 + b.d NOT BETWEEN ${SURROGATES.first} AND ${SURROGATES.last}${extra.join('')}`
  const blocks = unicode ? planes : 'SELECT 0 AS block'
  const select = `blocks.block AS block, GROUP_CONCAT(COALESCE(${weights}, '') ORDER BY high.d, low.d SEPARATOR ',') AS weights FROM (${blocks}) blocks CROSS JOIN ${HEX_DIGITS} high CROSS JOIN ${HEX_DIGITS} low GROUP BY blocks.block`
  return flavour === 'mariadb'
    ? `SET STATEMENT group_concat_max_len = 1048576 FOR SELECT ${select}`
    : `SELECT /*+ SET_VAR(group_concat_max_len = 1048576) */ ${select}`
}

function isByLevel(collation: string, flavour: Flavour): boolean {
  return flavour === 'mariadb' && /_uca1400_(?:nopad_)?(?:as|ai_cs)/.test(collation)
}

/** @throws MYV_DESCRIPTION_INVALID, and what `run` throws */
async function loadWeights(run: RunQuery, weighed: Weighed, flavour: Flavour): Promise<CollationWeights> {
  const levels: (readonly string[] | undefined)[] = []
  const known = new Map<string, readonly string[]>()
  for (const { block, weights } of await run(weightsSql(weighed, flavour))) {
    const parts = textOf(weights).split(',')
    if (parts.length !== BLOCK) throw descriptionInvalid({ problem: `weights of ${weighed.collation} for ${parts.length} letters` })
    for (const [at, hex] of parts.entries()) {
      const shared = known.get(hex) ?? levelsOf(hex, weighed.collation)
      known.set(hex, shared)
      levels[Number(textOf(block)) * BLOCK + at] = shared
    }
  }
  const [first, second] = EMOJI.map((point) => levels[point])
  const same = first !== undefined && second !== undefined && first.join() === second.join()
  return { byBytes: !UNICODE.has(weighed.characterSet), levels, supplementary: same ? first : undefined }
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)
}

/** MySQL marks the end of a level by 0000. */
function levelsOf(hex: string, collation: string): readonly string[] {
  const bytes = (part: string): string => Buffer.from(part, 'hex').toString('latin1')
  if (hex.includes('.')) return hex.split('.').map(bytes)
  if (!/_0900_/.test(collation)) return [bytes(hex)]
  const units = hex.match(/.{4}/g) ?? []
  const levels = ['']
  for (const unit of units) {
    if (unit === '0000') levels.push('')
    else levels[levels.length - 1] += bytes(unit)
  }
  return levels
}

/**
 * What a collation of this name weighs never changes: indexes rest on it. So it is asked for once per process; servers have a few
 * hundred collations, and the keys of one application use one or two.
 */
const loaded = new Map<string, CollationWeights>()

const ofTables = new WeakMap<TableDescription, ReadonlyMap<string, CollationWeights>>()

/** Asks the server about the collations of a table's unique keys. They stay beside the description, not in it: they are large. */
export async function attachWeights(run: RunQuery, table: TableDescription): Promise<void> {
  const weights = new Map<string, CollationWeights>()
  const columns = new Set(table.keys.filter(({ unique }) => unique).flatMap((key) => key.columns.map(({ column }) => column)))
  for (const index of columns) {
    const { collation = '', characterSet = '', dataType = '' } = table.columns[index] ?? {}
    if (dataType === 'enum' || dataType === 'set' || !isWeighed(collation, characterSet)) continue
    const name = `${table.flavour} ${collation}`
    const found = loaded.get(name) ?? (await loadWeights(run, { collation, characterSet }, table.flavour))
    loaded.set(name, found)
    weights.set(collation, found)
  }
  ofTables.set(table, weights)
}

/** Undefined for a description that did not come from `describeTables`. */
export function weightsOf(table: TableDescription, collation: string): CollationWeights | undefined {
  return ofTables.get(table)?.get(collation)
}

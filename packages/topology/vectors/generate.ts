/**
 * Prints `routing.vectors.json`: what gateway, guards in any language and SQL must agree on to the bit. After a deliberate
 * change of the rules: `cd packages/topology/vectors && node generate.ts > routing.vectors.json`. A test regenerates and compares.
 */
import { isCellwayError } from '@cellway/base'
import { canonicalKey, decodeUtf8, type KeyRules } from '../src/canonical-key.ts'
import { bucketOfKey, crc32OfText } from '../src/crc32.ts'
import { INPUTS, type VectorInput } from './inputs.ts'

export const BUCKET_COUNTS = [1, 2, 7, 64, 1000, 1024, 65_536] as const

export interface Vector {
  readonly name: string
  readonly keyType: KeyRules['keyType']
  readonly fold: KeyRules['fold']
  /** Printable ASCII as it is; everything else as base64 of the bytes. */
  readonly input?: string
  readonly inputBase64?: string
  /** Either the canonical key with its hash, or the code of the refusal. */
  readonly canonical?: string
  readonly refused?: string
  readonly crc32?: number
  readonly buckets?: Readonly<Record<string, number>>
}

export interface VectorFile {
  readonly format: 1
  readonly about: readonly string[]
  readonly vectors: readonly Vector[]
}

export const VECTORS_URL = new URL('./routing.vectors.json', import.meta.url)

const ABOUT = [
  'Canonical routing keys of Cellway and their buckets: bucket = CRC-32 (the zlib polynomial) of the UTF-8 bytes, modulo the bucket count.',
  'input is text; inputBase64 is bytes in base64, which must be valid UTF-8 or the key is refused. Every vector has canonical, crc32 and buckets, or refused.',
  'keyType and fold are options of the space. In SQL: CRC32(canonical key as utf8mb4) MOD buckets.'
]

export function generateVectors(): string {
  const file: VectorFile = { format: 1, about: ABOUT, vectors: INPUTS.map(vectorOf) }
  const rows = file.vectors.map((vector) => `    ${asciiJson(vector)}`).join(',\n')
  return `{\n  "format": 1,\n  "about": ${asciiJson(ABOUT)},\n  "vectors": [\n${rows}\n  ]\n}\n`
}

/** Pure ASCII, so that no editor or transport can change a key's Unicode form. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function vectorOf({ name, input, keyType, fold }: VectorInput): Vector {
  const bytes = typeof input === 'string' ? Buffer.from(input) : Buffer.from(input)
  const printable = typeof input === 'string' && /^[\x20-\x7e]*$/.test(input)
  const head = { name, keyType, fold, ...(printable ? { input } : { inputBase64: bytes.toString('base64') }) }
  try {
    const canonical = canonicalKey(decodeUtf8(bytes), { keyType, fold })
    const buckets = Object.fromEntries(BUCKET_COUNTS.map((count) => [String(count), bucketOfKey(canonical, count)]))
    return { ...head, canonical, crc32: crc32OfText(canonical), buckets }
  } catch (error) {
    if (!isCellwayError(error)) throw error
    return { ...head, refused: error.code }
  }
}

if (import.meta.main) process.stdout.write(generateVectors())

import { crc32 } from 'node:zlib'
import { canonicalJson } from '@cellway/base'
import { logCorrupt, logFormatUnknown } from './errors.ts'
import type { FileSystem } from './files.ts'
import { replaceFile } from './files.ts'

/** What a stream knows besides its records: `stream.json` in its folder, replaced as a whole. */
export interface StreamFile {
  readonly stream: string
  readonly logId: string
  /** The oldest sequence that counts; records before it may still be on the disk. */
  readonly first: number
  readonly readers: Readonly<Record<string, number>>
  /** Only after an orderly close: how long the newest segment is. Then nothing of it may be missing or torn. */
  readonly clean: { readonly base: number; readonly bytes: number } | null
}

const NAME = 'stream.json'
const FORMAT = 1

/** `undefined` when there is none: the making of the stream was cut off. @throws LOG_CORRUPT, LOG_FORMAT_UNKNOWN */
export async function readStreamFile(files: FileSystem, folder: string): Promise<StreamFile | undefined> {
  const file = `${folder}/${NAME}`
  const content = await files.readFile(file)
  if (content === undefined) return undefined
  const { format, checksum, body } = parse(content, file)
  if (format !== FORMAT) throw logFormatUnknown({ file, found: Number(format), known: FORMAT })
  if (checksum !== checksumOf(body)) throw logCorrupt({ stream: '', file, offset: 0, finding: 'the checksum does not match' })
  return body as StreamFile
}

export async function writeStreamFile(files: FileSystem, folder: string, body: StreamFile): Promise<void> {
  const content = Buffer.from(`${canonicalJson({ format: FORMAT, checksum: checksumOf(body), body })}\n`)
  await replaceFile(files, { folder, name: NAME, content })
}

function checksumOf(body: unknown): number {
  return crc32(canonicalJson(body))
}

function parse(content: Buffer, file: string): { format: unknown; checksum: unknown; body: unknown } {
  try {
    return JSON.parse(content.toString('utf8')) as { format: unknown; checksum: unknown; body: unknown }
  } catch (cause) {
    throw logCorrupt({ stream: '', file, offset: 0, finding: 'not JSON' }, { cause })
  }
}

/** `cell/store` as one name of a folder. */
export function folderNameOf(stream: string): string {
  return stream.replace('/', '+')
}

export function streamNameOf(folderName: string): string {
  return folderName.replace('+', '/')
}

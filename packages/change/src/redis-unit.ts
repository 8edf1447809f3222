import type { ByteCursor, ByteWriter } from './bytes.ts'
import { createCursor, putBlock, putByte, putU64, putVarint, skip, takeBlock, takeByte, takeU32, takeU64, takeVarint } from './bytes.ts'
import { changeCorrupt, changeFeatureUnknown, changeInvalid } from './errors.ts'
import type { ContentMark, KeySpan, RedisCommand, RedisUnit, RedisUnitHead } from './model.ts'
import type { BuiltRecord, PackerOptions } from './packer.ts'
import { BODY_SECTION, Packer } from './packer.ts'
import { putNoExtensions, skipExtensions } from './section.ts'

/** Redis units in, records out; a MULTI too large for one record leaves it part by part. */
export interface RedisUnitPacker {
  begin(head: RedisUnitHead): void
  /** @throws CHANGE_INVALID, CHANGE_TOO_LARGE */
  add(command: RedisCommand): void
  /** Says that the open unit sets keys of the fence or a barrier. */
  mark(mark: ContentMark): void
  end(): void
  flush(): void
  take(): BuiltRecord[]
}

const ENTRY = { command: 1, fragment: 2, lastFragment: 3 } as const

export function createRedisUnitPacker(options: PackerOptions): RedisUnitPacker {
  if (options.origin.kind !== 'redis') throw changeInvalid({ problem: `units of Redis in a stream of ${options.origin.kind}` })
  let open: RedisUnitHead | undefined
  let replicationId = ''
  let replicationIdBytes: Buffer = Buffer.alloc(0)
  const context = { section: BODY_SECTION.replicationId, bytes: () => replicationIdBytes, size: () => replicationIdBytes.length, clear: () => {} }
  const packer = new Packer(options, { section: BODY_SECTION.redisUnits, context })
  const { writer } = packer

  return {
    begin(head) {
      // A record has one replication id, and its units are written without it.
      if (head.position.replicationId !== replicationId) {
        packer.flush()
        replicationId = head.position.replicationId
        replicationIdBytes = Buffer.from(replicationId)
      }
      open = head
      packer.begin((part) => putHead(part, head))
    },
    add(command) {
      const entryAt = writer.at
      checkKeys(command)
      putByte(writer, ENTRY.command)
      putVarint(writer, command.db)
      const contentAt = writer.at
      putVarint(writer, command.keys.length)
      for (const { start, bytes } of command.keys) {
        putVarint(writer, start)
        putVarint(writer, bytes)
      }
      putBlock(writer, command.raw)
      packer.entryWritten(entryAt, contentAt, (part, last) => {
        putByte(part, last ? ENTRY.lastFragment : ENTRY.fragment)
        putVarint(part, command.db)
      })
    },
    mark: (mark) => packer.mark(mark),
    end() {
      if (open === undefined) throw changeInvalid({ problem: 'no unit was begun' })
      packer.end(open.position)
      open = undefined
    },
    flush: () => packer.flush(),
    take: () => packer.take()
  }
}

function putHead(writer: ByteWriter, { position, capturedTimeUs }: RedisUnitHead): void {
  putU64(writer, position.offset)
  putVarint(writer, position.db)
  putVarint(writer, capturedTimeUs)
  putNoExtensions(writer)
}

function checkKeys({ raw, keys }: RedisCommand): void {
  const outside = keys.find(({ start, bytes }) => start + bytes > raw.length)
  if (outside !== undefined) throw changeInvalid({ problem: `a key at ${outside.start} of ${raw.length} bytes` })
}

/** A unit, or a part of one. */
export interface RedisUnitView extends RedisUnitHead {
  readonly bytes: Buffer
  readonly commandsAt: number
  readonly end: number
}

export interface RedisFragmentView {
  readonly kind: 'fragment'
  readonly db: number
  readonly last: boolean
  readonly bytes: Buffer
}

/** `raw` is a view into the record. */
export type RedisEntryView = (RedisCommand & { readonly kind: 'command' }) | RedisFragmentView

/** The bytes of one key: a view. */
export function keyBytes(command: RedisCommand, { start, bytes }: KeySpan): Uint8Array {
  return command.raw.subarray(start, start + bytes)
}

/** @throws CHANGE_CORRUPT, CHANGE_TRUNCATED, CHANGE_FEATURE_UNKNOWN */
export function* redisUnitsOf(cursor: ByteCursor, replicationId: string): Generator<RedisUnitView> {
  const { bytes } = cursor
  let at = cursor.at
  while (at < cursor.end) {
    const own = createCursor(bytes, at, cursor.end)
    const length = takeU32(own)
    const head = createCursor(bytes, skip(own, length), own.at)
    const position = { kind: 'redis', replicationId, offset: takeU64(head), db: takeVarint(head) } as const
    const capturedTimeUs = takeVarint(head)
    skipExtensions(head, 'unit extension')
    yield { position, capturedTimeUs, bytes, commandsAt: head.at, end: head.end }
    at = own.at
  }
}

/** In order. @throws CHANGE_CORRUPT, CHANGE_TRUNCATED, CHANGE_FEATURE_UNKNOWN */
export function* commandsOf({ bytes, commandsAt, end }: Omit<RedisUnitView, keyof RedisUnitHead>): Generator<RedisEntryView> {
  const cursor = createCursor(bytes, commandsAt, end)
  while (cursor.at < cursor.end) {
    const offset = cursor.at
    const kind = takeByte(cursor)
    const db = takeVarint(cursor)
    if (kind === ENTRY.command) yield takeCommand(cursor, db)
    else if (kind === ENTRY.fragment || kind === ENTRY.lastFragment) {
      yield { kind: 'fragment', db, last: kind === ENTRY.lastFragment, bytes: takeBlock(cursor) }
    } else throw changeFeatureUnknown({ offset, feature: 'unit entry', value: kind })
  }
}

function takeCommand(cursor: ByteCursor, db: number): RedisCommand & { readonly kind: 'command' } {
  const offset = cursor.at
  const count = takeVarint(cursor)
  const keys: KeySpan[] = []
  // Each key takes two bytes at least, so a forged count ends at the end of the record.
  for (let index = 0; index < count; index += 1) keys.push({ start: takeVarint(cursor), bytes: takeVarint(cursor) })
  const raw = takeBlock(cursor)
  if (keys.some(({ start, bytes }) => start + bytes > raw.length)) throw changeCorrupt({ offset, finding: 'a key outside of its command' })
  return { kind: 'command', db, raw, keys }
}

/** All fragments of one command, in order. @throws CHANGE_CORRUPT, CHANGE_TRUNCATED */
export function joinRedisFragments(fragments: readonly RedisFragmentView[]): RedisCommand {
  const [first] = fragments
  const whole = fragments.every(({ last, db }, at) => last === (at === fragments.length - 1) && db === first?.db)
  if (first === undefined || !whole) throw changeCorrupt({ offset: 0, finding: 'these are not the fragments of one command' })
  const bytes = Buffer.concat(fragments.map((fragment) => fragment.bytes))
  const cursor = createCursor(bytes, 0, bytes.length)
  const command = takeCommand(cursor, first.db)
  if (cursor.at !== cursor.end) throw changeCorrupt({ offset: cursor.at, finding: 'bytes behind the end of a command' })
  return command
}

/** All commands at once: for tests and tools. Bytes are copied. @throws CHANGE_CORRUPT for a fragment */
export function readRedisUnit(view: RedisUnitView): RedisUnit {
  const commands: RedisCommand[] = []
  for (const entry of commandsOf(view)) {
    if (entry.kind === 'fragment') throw changeCorrupt({ offset: 0, finding: 'a fragment where a whole command is expected' })
    commands.push({ db: entry.db, raw: Buffer.from(entry.raw), keys: entry.keys })
  }
  return { position: view.position, capturedTimeUs: view.capturedTimeUs, commands }
}

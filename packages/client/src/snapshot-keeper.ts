import { open, readFile, rename, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '@cellway/topology'
import type { MemberKind } from './api.ts'
import type { ControlClient } from './client.ts'
import type { WatchState } from './watch.ts'

/** Pause between looks at the file when there is no control plane to watch. */
const FILE_POLL_MS = 500

/** What the keeper says to the logger of its process. */
export interface KeeperLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface SnapshotKeeperOptions {
  readonly file: string
  /** Without one, the file is looked at for newer snapshots. */
  readonly client: ControlClient | undefined
  readonly member: string
  readonly kind: MemberKind
  readonly cell: string
  readonly log: KeeperLog
  readonly signal: AbortSignal
  /** Called in order, with newer and newer snapshots only. */
  readonly onSnapshot: (snapshot: Snapshot, text: string) => void
}

export interface SnapshotKeeper {
  /** Milliseconds since control last confirmed the snapshot; since the file was read, without control. */
  ageMs(): number
  connected(): boolean
  current(): Snapshot | undefined
  /** Runs until the signal ends it. */
  readonly done: Promise<void>
}

/**
 * Keeps the newest snapshot: first from the file, so that a start needs nobody; then from control, each one written to the file
 * before it is passed on, so that a restart never goes back behind what was already acted upon.
 */
export async function keepSnapshot(options: SnapshotKeeperOptions): Promise<SnapshotKeeper> {
  let current: Snapshot | undefined
  let confirmedMs = performance.now()
  let connected = false
  const adopt = (snapshot: Snapshot, text: string): void => {
    current = snapshot
    confirmedMs = performance.now()
    options.onSnapshot(snapshot, text)
  }
  const first = await readSnapshotFile(options)
  if (first !== undefined) adopt(first.snapshot, first.text)
  const { client, log } = options
  const onState = (state: WatchState): void => {
    if (state.kind === 'connecting') return
    if (state.kind === 'connected' || state.kind === 'confirmed') {
      if (!connected) log.info({ url: state.url }, 'control connected')
      connected = true
      if (state.kind === 'confirmed' && state.version === current?.version) confirmedMs = performance.now()
    } else if (state.kind === 'disconnected') {
      if (connected || current === undefined)
        log.warn({ url: state.url, err: state.error, retryInMs: state.retryInMs }, 'control is away; the snapshot in force stays')
      connected = false
    } else log.error(state, 'control offered a snapshot that is not adopted; the one in force stays')
  }
  const done = client === undefined ? pollFile(options, () => current, adopt) : watchControl(options, client, () => current, adopt, onState)
  return {
    ageMs: () => performance.now() - confirmedMs,
    connected: () => connected,
    current: () => current,
    done
  }
}

type Adopt = (snapshot: Snapshot, text: string) => void

async function watchControl(
  { file, member, kind, cell, log, signal }: SnapshotKeeperOptions,
  client: ControlClient,
  current: () => Snapshot | undefined,
  adopt: Adopt,
  onState: (state: WatchState) => void
): Promise<void> {
  const known = current()
  const start = known === undefined ? { have: 0 } : { have: known.version, current: known }
  for await (const snapshot of client.watchSnapshots({ ...start, member, kind, cell, signal, onState })) {
    const text = encodeSnapshot(snapshot)
    await writeSnapshotFile(file, text).catch((error: unknown) => {
      // Going on with the newer one matters more than a restart that may find an older file.
      log.error({ err: error, file }, 'writing the snapshot file failed')
    })
    adopt(snapshot, text)
  }
}

async function pollFile(options: SnapshotKeeperOptions, current: () => Snapshot | undefined, adopt: Adopt): Promise<void> {
  const { signal } = options
  let seen = ''
  while (!signal.aborted) {
    await delay(FILE_POLL_MS, undefined, { signal }).catch(() => undefined)
    const mark = await fileMark(options.file)
    // Decoding costs milliseconds: only when the file is another one.
    if (signal.aborted || mark === seen) continue
    seen = mark
    const found = await readSnapshotFile(options)
    if (found !== undefined && found.snapshot.version > (current()?.version ?? 0)) adopt(found.snapshot, found.text)
  }
}

/** What tells one written file from the next without reading it. */
async function fileMark(file: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(file)
    return `${ino} ${mtimeMs} ${size}`
  } catch {
    return ''
  }
}

async function readSnapshotFile({ file, log }: SnapshotKeeperOptions): Promise<{ snapshot: Snapshot; text: string } | undefined> {
  try {
    const text = await readFile(file, 'utf8')
    return { snapshot: decodeSnapshot(text), text }
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (!missing) log.error({ err: error, file }, 'snapshot file is not usable')
    return undefined
  }
}

/** Whole or not at all: written beside, synced, then renamed over. */
async function writeSnapshotFile(file: string, text: string): Promise<void> {
  const beside = `${file}.next`
  const handle = await open(beside, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(beside, file)
}

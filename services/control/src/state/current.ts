import { type Mirror, openMirror, type Store, type StoreEntry } from '@cellway/store'
import {
  buildSnapshot,
  type CompiledSnapshot,
  compileSnapshot,
  encodeSnapshot,
  type LedgerEntry,
  type Snapshot,
  type Topology
} from '@cellway/topology'
import { LEDGER_PREFIX, STATE_PREFIX, TOPOLOGY_KEY, VERSION_KEY } from '../keys.ts'

/** One version as it is given out; made once per change. */
export interface Published {
  readonly snapshot: Snapshot
  /** `encodeSnapshot`. */
  readonly text: string
  /** The version in which the topology last changed: ETag of the topology. */
  readonly topologyVersion: number
  /** Store revisions of the keys that commands compare. */
  readonly revisions: { readonly version: number; readonly ledger: ReadonlyMap<string, number> }
  /** Compiled at the first question, since only explain needs it here. */
  compiled(): CompiledSnapshot
}

export interface CurrentState extends AsyncDisposable {
  /** Undefined until the first topology is applied. */
  published(): Published | undefined
  waitFor(revision: number, signal: AbortSignal): Promise<void>
  /** Rejects when the store can no longer be followed: the process must not go on with an old truth. */
  readonly ended: Promise<void>
}

export interface CurrentStateOptions {
  readonly onPublish: (published: Published, buildMs: number) => void
}

/** The truth in the store, followed by watching it: so it does not matter which control process made a change. */
export async function openCurrentState(store: Store, { onPublish }: CurrentStateOptions): Promise<CurrentState> {
  const parsed = new WeakMap<StoreEntry, LedgerEntry>()
  let published: Published | undefined

  function parseRow(entry: StoreEntry): LedgerEntry {
    // Rows that did not change keep their entry: only the changed ones are parsed again.
    const row = parsed.get(entry) ?? (JSON.parse(entry.value) as LedgerEntry)
    parsed.set(entry, row)
    return row
  }

  function publish(entries: ReadonlyMap<string, StoreEntry>): void {
    const versionEntry = entries.get(VERSION_KEY)
    const topologyEntry = entries.get(TOPOLOGY_KEY)
    if (versionEntry === undefined || topologyEntry === undefined || versionEntry.revision === published?.revisions.version) return
    const startedMs = performance.now()
    const { version } = JSON.parse(versionEntry.value) as StoredVersion
    const { topology, version: topologyVersion } = JSON.parse(topologyEntry.value) as StoredTopology
    const rows = [...entries.values()].filter((entry) => entry.key.startsWith(LEDGER_PREFIX))
    const snapshot = buildSnapshot({ version, topology, ledger: rows.map(parseRow) })
    let compiled: CompiledSnapshot | undefined
    published = {
      snapshot,
      text: encodeSnapshot(snapshot),
      topologyVersion,
      revisions: { version: versionEntry.revision, ledger: new Map(rows.map((entry) => [entry.key, entry.revision])) },
      compiled() {
        compiled ??= compileSnapshot(snapshot)
        return compiled
      }
    }
    onPublish(published, performance.now() - startedMs)
  }

  const mirror: Mirror = await openMirror(store, { prefix: STATE_PREFIX, onChange: publish })
  return { published: () => published, waitFor: mirror.waitFor, ended: mirror.ended, [Symbol.asyncDispose]: () => mirror[Symbol.asyncDispose]() }
}

export interface StoredVersion {
  readonly version: number
}

export interface StoredTopology {
  readonly version: number
  readonly topology: Topology
}

/** Under `topologies/`: what was applied, word by word. */
export interface StoredSource extends StoredTopology {
  readonly source: string
}

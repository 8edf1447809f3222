import { createHash } from 'node:crypto'
import { canonicalJson } from '@cellway/base'
import {
  checkTopologyChange,
  diffTopologies,
  extendLedger,
  formatDiff,
  type LedgerEntry,
  type Problem,
  parseTopology,
  type Topology
} from '@cellway/topology'
import type { CommandPlan } from '../commands.ts'
import { preconditionMissing, topologyRefused, versionStale } from '../errors.ts'
import { ledgerKey, TOPOLOGY_KEY, topologyHistoryKey, VERSION_KEY } from '../keys.ts'
import type { Published, StoredSource, StoredTopology, StoredVersion } from './current.ts'

export interface TopologyCheck {
  readonly topology: Topology | undefined
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/** Everything that speaks against this text as the next topology. */
export function checkNextTopology(text: string, current: Published | undefined): TopologyCheck {
  const checked = parseTopology(text)
  if (!checked.ok) return { topology: undefined, problems: checked.problems, warnings: [] }
  const problems = current === undefined ? [] : checkTopologyChange(current.snapshot, checked.value)
  return { topology: checked.value, problems, warnings: checked.warnings }
}

export interface ApplyTopology {
  readonly text: string
  readonly ifMatch: string | undefined
}

/**
 * @throws CTL_PRECONDITION_MISSING, CTL_VERSION_STALE, CTL_TOPOLOGY_INVALID
 */
export function planApplyTopology({ text, ifMatch }: ApplyTopology, current: Published | undefined): CommandPlan {
  checkPrecondition(ifMatch, current)
  const { topology, problems, warnings } = checkNextTopology(text, current)
  if (topology === undefined || problems.length > 0) throw topologyRefused({ problems })
  const target = 'topology'
  if (current !== undefined && canonicalJson(topology) === canonicalJson(current.snapshot.topology)) {
    return { kind: 'unchanged', response: { status: 200, body: { version: current.topologyVersion, changed: false, warnings } } }
  }
  const version = (current?.snapshot.version ?? 0) + 1
  const before = current?.snapshot.ledger ?? []
  const ledger = extendLedger(before, topology)
  const known = new Set(before.map(ledgerKey))
  const added = ledger.filter((entry) => !known.has(ledgerKey(entry)))
  return {
    kind: 'change',
    compare: [
      current === undefined ? { key: VERSION_KEY, absent: true } : { key: VERSION_KEY, revision: current.revisions.version },
      ...added.map((entry) => ({ key: ledgerKey(entry), absent: true }) as const)
    ],
    puts: [
      { key: VERSION_KEY, value: JSON.stringify({ version } satisfies StoredVersion) },
      { key: TOPOLOGY_KEY, value: JSON.stringify({ version, topology } satisfies StoredTopology) },
      { key: topologyHistoryKey(version), value: JSON.stringify({ version, topology, source: text } satisfies StoredSource) },
      ...added.map((entry: LedgerEntry) => ({ key: ledgerKey(entry), value: JSON.stringify(entry) }))
    ],
    deletes: [],
    target,
    // The full texts stay under `topologies/`; the hashes bind them to the chain.
    before: current === undefined ? null : { version: current.topologyVersion, sha256: sha256(current.snapshot.topology) },
    after: {
      version,
      sha256: sha256(topology),
      bucketsAdded: added.length,
      diff: shortened(formatDiff(diffTopologies(current?.snapshot.topology, topology)))
    },
    response: { status: 200, body: { version, changed: true, warnings } },
    waitsFor: 'state'
  }
}

/** `"0"` and `*` stand for "there is none yet"; `*` never overwrites blindly. */
function checkPrecondition(ifMatch: string | undefined, current: Published | undefined): void {
  const version = current?.topologyVersion ?? 0
  if (ifMatch === undefined) throw preconditionMissing({ version })
  const sent = ifMatch.trim()
  const fits = sent === '*' ? version === 0 : sent === `"${version}"` || sent === String(version)
  if (!fits) throw versionStale({ sent, version })
}

function sha256(topology: Topology): string {
  return createHash('sha256').update(canonicalJson(topology)).digest('hex')
}

/** A diff is for reading; past this length the texts themselves are the better source. */
const DIFF_LINES_MAX = 200

function shortened(diff: string): string {
  const lines = diff.split('\n')
  return lines.length <= DIFF_LINES_MAX ? diff : [...lines.slice(0, DIFF_LINES_MAX), `… and ${lines.length - DIFF_LINES_MAX} lines more`].join('\n')
}

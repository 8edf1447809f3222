import type { Row, TableIdentity } from '@cellway/change'
import type { CellRank } from './arbiter.ts'
import { arbiterOf } from './arbiter.ts'
import type { ConflictClass, Detected } from './classes.ts'
import type { RowMeeting } from './detect.ts'
import type { Policy } from './policy.ts'
import { resolve } from './resolve.ts'

/**
 * How all cells come to the same row, whatever arrives when (the test `convergence.prop.test.ts` tries it):
 *
 * 1. Each row has one arbiter, its owner (`arbiterOf`). The arbiter's stream is complete: whatever a change from elsewhere made of
 *    the arbiter's row, or did not, the arbiter writes the row it then has into its stream, as a repair.
 * 2. Every other cell follows that stream: what comes from the arbiter overwrites, what comes from a third cell changes nothing.
 *
 * So the last thing each cell does to a row is the last entry of the arbiter's stream, or a write of its own that the arbiter has
 * answered, and the answer comes after it. The policy only says what the arbiter makes of a change, so any policy converges.
 *
 * Deciding alike everywhere "for the time being" would not: a cell that gets the arbiter's answer before the change that it answers
 * would apply the change on top of it (twice, with delta); two third cells can swap their rows while the arbiter sees only
 * clean changes (A: v0→v1→v0, B: v0→v2); and a cell that overwrites its own newer, accepted write with an older repair needs the
 * arbiter to answer that write too, though it was clean at the arbiter. Hence a change of a cell that does not own the row is
 * answered even when it found the row as expected. In legal operation nothing is foreign, and nothing is answered.
 */
export interface Facts {
  readonly selfCell: string
  readonly originCell: string
  /** By the newest snapshot, the owners of the buckets of the images at hand (before, after, current); undefined: nobody owns it. */
  readonly owners: readonly (string | undefined)[]
  /** Whether the origin owned the bucket at the epoch of the change; `late`: it had, but the change comes after a cutoff. */
  readonly originOwned: 'yes' | 'no' | 'late' | 'unknown'
  readonly cells: readonly CellRank[]
  /** Where known: the cell whose write the current row is. Without: the arbiter. */
  readonly currentCell?: string
}

export interface DecideInput extends RowMeeting {
  readonly policy: Policy
  readonly detected: Detected
  readonly table: TableIdentity
  readonly facts: Facts
  /** The change comes from a repair transaction: an answer, or an operator's decision. */
  readonly repair: boolean
  readonly isSame: (column: number, left: Row[number], right: Row[number]) => boolean
}

export interface Decision {
  /** `apply`: make the row as the change leaves it (absent for a delete). `write`: make it `row`. `park`: hold the change and its key. */
  readonly action: 'apply' | 'keep' | 'write' | 'park'
  readonly row?: Row
  /** To be recorded; undefined: no conflict. */
  readonly class: ConflictClass | undefined
  /** The arbiter owes an answer: recorded as reemit = 'pending'. In every cell, so that a new arbiter finds what the old one left. */
  readonly reemit: boolean
}

type Standing = 'owner' | 'foreign' | 'late' | 'unowned'

const APPLY: Decision = { action: 'apply', class: undefined, reemit: false }
const KEEP: Decision = { action: 'keep', class: undefined, reemit: false }

/** A change that is clean and whose origin owns the row needs no decision: it is applied. @throws never */
export function decide(input: DecideInput): Decision {
  const { facts, detected, policy } = input
  const isArbiter = arbiterOf(facts.owners, facts.cells) === facts.selfCell
  const standing = standingOf(facts)
  if (standing === 'owner') return isArbiter && !input.repair ? decideLegal(input) : follow(input)
  // Nobody loses anything by it, and whoever wrote it has the arbiter's row.
  if (!input.repair && (detected === 'delete_delete' || (detected === 'same-result' && policy.policy !== 'delta'))) return KEEP
  const found: ConflictClass = standing === 'late' ? 'late' : 'foreign_owner'
  // Nobody's row: the arbiter decides and is followed, and a record in every cell would say nothing.
  if (!isArbiter) return standing === 'unowned' ? KEEP : { action: 'keep', class: found, reemit: true }
  const conflict = standing === 'unowned' && isConflict(detected) ? detected : found
  // What comes after a cutoff is for people; and a repair by a cell that is not the arbiter is nobody's decision.
  if (standing === 'late' || input.repair) return { action: 'keep', class: conflict, reemit: true }
  const resolved = resolve(input, standing)
  return { ...resolved, class: conflict, reemit: resolved.action !== 'park' }
}

/** What the owner says is so. Not as expected means that this cell had a row that it should not have. */
function follow({ detected, repair }: DecideInput): Decision {
  if (repair || detected === 'clean') return APPLY
  if (detected === 'same-result') return KEEP
  return { action: detected === 'delete_delete' ? 'keep' : 'apply', class: detected, reemit: false }
}

/** A change of the former owner, of its time, at the new one. */
function decideLegal(input: DecideInput): Decision {
  const { detected, policy } = input
  if (detected === 'clean') return APPLY
  if (detected === 'same-result' && policy.policy !== 'delta') return KEEP
  if (detected === 'delete_delete') return { action: 'keep', class: detected, reemit: false }
  const resolved = resolve(input, 'owner')
  return { ...resolved, class: isConflict(detected) ? detected : 'update_update', reemit: resolved.action !== 'park' }
}

function standingOf({ owners, originOwned, originCell, cells }: Facts): Standing {
  if (originOwned === 'late') return 'late'
  const named = new Set(owners.filter((owner) => owner !== undefined))
  if (named.size === 0) return originCell === arbiterOf(owners, cells) ? 'owner' : 'unowned'
  // Several owners: owning one of the images does not make the change legal, or two cells would overwrite each other for ever.
  if (named.size > 1 || originOwned === 'unknown') return originCell === arbiterOf(owners, cells) ? 'owner' : 'foreign'
  return originOwned === 'yes' ? 'owner' : 'foreign'
}

function isConflict(detected: Detected): detected is Exclude<Detected, 'clean' | 'same-result'> {
  return detected !== 'clean' && detected !== 'same-result'
}

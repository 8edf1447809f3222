import { assertNever } from '@cellway/base'
import type { Row } from '@cellway/change'
import { priorityOf } from './arbiter.ts'
import type { DecideInput } from './decide.ts'
import { addDeltas } from './delta.ts'
import { compareVersions } from './latest.ts'
import { mergeColumns } from './merge.ts'

export type Resolution = { readonly action: 'apply' | 'keep' | 'park' } | { readonly action: 'write'; readonly row: Row }

const APPLY: Resolution = { action: 'apply' }
const KEEP: Resolution = { action: 'keep' }

/** What the arbiter makes of a change that is not simply its owner's: the policy. */
export function resolve(input: DecideInput, standing: 'owner' | 'foreign' | 'unowned'): Resolution {
  const { policy, detected, facts } = input
  const clean = detected === 'clean'
  switch (policy.policy) {
    case 'owner-wins':
      return standing === 'owner' || (standing === 'unowned' && clean) ? APPLY : KEEP
    case 'latest-wins':
      return clean || isNewer(input, policy.column) ? APPLY : KEEP
    case 'cell-priority':
      return clean || priorityOf(facts.originCell, facts.cells) < priorityOf(facts.currentCell ?? facts.selfCell, facts.cells) ? APPLY : KEEP
    case 'merge-columns':
      return clean ? APPLY : written(input, mergeColumns(input))
    case 'delta':
      return clean ? APPLY : written(input, addDeltas(input, policy.columns))
    case 'keep-local':
      return KEEP
    case 'apply-remote':
      return APPLY
    case 'park':
      return { action: 'park' }
    default:
      return assertNever(policy)
  }
}

/** A delete is as new as the row that it deleted; a row is newer than none. */
function isNewer({ before, after, current, table }: DecideInput, column: string): boolean {
  if (current === undefined) return true
  if (after !== undefined) return compareVersions({ left: after, right: current, table, column }) > 0
  return before !== undefined && compareVersions({ left: before, right: current, table, column }) >= 0
}

function written({ current, isSame }: DecideInput, row: Row | undefined): Resolution {
  if (row === undefined || current === undefined) return KEEP
  return row.every((value, column) => value === current[column] || isSame(column, value, current[column])) ? KEEP : { action: 'write', row }
}

import type { CommandContext, Outcome } from '../command.ts'
import { withControl } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { renderBuckets } from '../render/buckets.ts'

export interface BucketsOptions {
  readonly space?: string
  readonly owner?: string
  readonly state?: 'owned' | 'moving' | 'frozen'
  readonly full: boolean
}

/** Every row that fits; a ledger has thousands of rows, not millions. */
const ROWS_MAX = 100_000

export async function listBuckets(context: CommandContext, { full, ...filter }: BucketsOptions): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async ({ client }) => {
    const list = await client.buckets({ ...filter, limit: ROWS_MAX }, { signal: terminal.signal })
    return { exit: EXIT.done, json: list, text: renderBuckets(list.buckets, { full, paint: terminal.paint }) }
  })
}

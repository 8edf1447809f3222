import type { AuditRecord, ControlClient } from '@cellway/client'
import type { CommandContext, Outcome } from '../command.ts'
import { withControl } from '../command.ts'
import { usage } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { auditLine, renderAudit } from '../render/audit.ts'
import { count } from '../render/text.ts'

const PAGE_RECORDS = 500
const RECORDS_MAX = 100_000
const INTERVAL_MS = 1000

export interface TailOptions {
  readonly lines: string
  readonly watch: boolean
}

export async function tailAudit(context: CommandContext, { lines, watch }: TailOptions): Promise<Outcome> {
  const wanted = Number(lines)
  if (!Number.isInteger(wanted) || wanted < 0 || wanted > RECORDS_MAX)
    throw usage({ problem: `--lines is "${lines}"`, fix: `a number from 0 to ${RECORDS_MAX}` })
  const { terminal, globals } = context
  return withControl(context, async ({ client }) => {
    const records = await lastRecords(client, { wanted, signal: terminal.signal })
    if (!watch) return { exit: EXIT.done, json: { records: records.last }, text: renderAudit(records.last, terminal.paint) }
    const show = (record: AuditRecord): void => terminal.out(globals.output === 'json' ? JSON.stringify(record) : auditLine(record, terminal.paint))
    records.last.forEach(show)
    await follow(client, { after: records.seq, show, context })
    return { exit: EXIT.done, json: undefined, text: '' }
  })
}

export async function verifyAudit(context: CommandContext): Promise<Outcome> {
  const { terminal } = context
  return withControl(context, async ({ client }) => {
    const verdict = await client.audit.verify({ signal: terminal.signal })
    if (verdict.ok) {
      return {
        exit: EXIT.done,
        json: verdict,
        text: `${terminal.paint('green', '✓')} the chain of ${count(verdict.records, 'record')} is whole; head ${verdict.head.hash}`
      }
    }
    const { seq, problem } = verdict.broken
    const text = [
      `${terminal.paint('red', '✗')} the chain is broken at record ${seq}: ${problem}`,
      `  ${terminal.paint('dim', '→')} the ${count(verdict.records, 'record')} before it can be trusted; keep control's data folder as evidence and compare it with a backup`
    ]
    return { exit: EXIT.needsOperator, json: verdict, text: text.join('\n') }
  })
}

/** Control gives pages from the start; of a long log only the end is kept. */
async function lastRecords(
  client: ControlClient,
  { wanted, signal }: { wanted: number; signal: AbortSignal }
): Promise<{ last: readonly AuditRecord[]; seq: number }> {
  let last: readonly AuditRecord[] = []
  let after: number | null = 0
  let seq = 0
  while (after !== null) {
    const page = await client.audit.list({ after, limit: PAGE_RECORDS }, { signal })
    seq = page.records.at(-1)?.seq ?? seq
    last = wanted === 0 ? [] : [...last, ...page.records].slice(-wanted)
    after = page.next
  }
  return { last, seq }
}

interface Following {
  readonly after: number
  readonly show: (record: AuditRecord) => void
  readonly context: CommandContext
}

async function follow(client: ControlClient, { after, show, context: { terminal } }: Following): Promise<void> {
  const { signal } = terminal
  let seen = after
  while (!signal.aborted) {
    try {
      const { records } = await client.audit.list({ after: seen, limit: PAGE_RECORDS }, { signal })
      records.forEach(show)
      seen = records.at(-1)?.seq ?? seen
      terminal.progressDone()
      if (records.length === 0) await terminal.sleep(INTERVAL_MS)
    } catch (error) {
      if (signal.aborted) return
      terminal.progress(`${error instanceof Error ? error.message : String(error)}; trying again`)
      await Promise.allSettled([terminal.sleep(INTERVAL_MS)])
    }
  }
}

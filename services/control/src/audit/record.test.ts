import t from 'tap'
import { type AuditEvent, type AuditHead, type AuditRecord, chainRecord, checkLink, GENESIS } from './record.ts'

const event = (reason: string): AuditEvent => ({
  at: '2026-01-01T00:00:00.000Z',
  actor: { kind: 'token', id: 'a1', name: 'ann', role: 'admin' },
  action: 'ledger.change',
  outcome: 'done',
  reason,
  target: 'users/1',
  before: { epoch: 1 },
  after: { epoch: 2, left: undefined },
  error: null,
  requestId: 'r1'
})

function chain(length: number): AuditRecord[] {
  const records: AuditRecord[] = []
  let head: AuditHead = GENESIS
  for (let at = 0; at < length; at += 1) {
    const record = chainRecord(head, event(`reason ${at}`))
    records.push(record)
    head = record
  }
  return records
}

function firstBroken(records: readonly AuditRecord[]): number | undefined {
  let head: AuditHead = GENESIS
  for (const record of records) {
    const broken = checkLink(head, record)
    if (broken !== undefined) return broken.seq
    head = record
  }
  return undefined
}

t.test('an untouched chain has no broken link, also after a round through JSON', async (t) => {
  t.equal(firstBroken(chain(5)), undefined)
  t.equal(firstBroken(JSON.parse(JSON.stringify(chain(5)))), undefined)
})

t.test('every kind of change breaks the chain at its place', async (t) => {
  const [one, two, three, four, five] = chain(5)
  if (!one || !two || !three || !four || !five) throw new Error('five records')
  const rehashed = chainRecord({ seq: 2, hash: two.hash }, event('rewritten'))
  const rows: [string, AuditRecord[], number][] = [
    ['reason changed', [one, two, { ...three, reason: 'nothing happened' }, four, five], 3],
    ['actor changed', [one, { ...two, actor: { kind: 'system' } }, three, four, five], 2],
    ['after changed', [one, two, { ...three, after: { epoch: 9 } }, four, five], 3],
    ['member added', [one, two, { ...three, extra: 1 } as AuditRecord, four, five], 3],
    ['record removed', [one, two, four, five], 3],
    ['first removed', [two, three, four, five], 1],
    ['order swapped', [one, three, two, four, five], 2],
    ['record doubled', [one, two, two, three], 3],
    ['rewritten with a right hash', [one, two, rehashed, four, five], 4],
    ['other beginning', [chainRecord({ seq: 0, hash: 'f'.repeat(64) }, event('x')), two], 1]
  ]
  for (const [name, records, wanted] of rows) t.equal(firstBroken(records), wanted, name)
})

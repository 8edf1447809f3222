import type { ReplicatorReport } from './reports.ts'

/** For tests: what a replicator of the given cell would report when all is well. */
export function exampleReport(cell: string, changes: Partial<ReplicatorReport> = {}): ReplicatorReport {
  return {
    kind: 'replicator',
    member: `${cell}-rep-1`,
    cell,
    adminUrl: 'http://127.0.0.1:1',
    adminSecret: 'a'.repeat(43),
    status: {
      phase: 'running',
      reason: null,
      code: null,
      statement: null,
      startedAt: '2026-01-01T00:00:00.000Z',
      epoch: 3,
      snapshotVersion: 1,
      server: 'mariadb 10.11',
      rpo: 'default',
      capture: {
        state: 'running',
        reason: null,
        code: null,
        statement: null,
        position: '1-1-42',
        transactions: 42,
        echoes: 0,
        spilledBytes: 0
      },
      streams: ['beijing', 'shanghai']
        .filter((from) => from !== cell)
        .map((from) => ({
          from,
          state: 'running',
          reason: null,
          code: null,
          statement: null,
          position: '2-2-7',
          transactions: 7,
          conflicts: 0,
          lagMs: 8.5,
          stages: { captured: 3, center: 2, applied: 3.5 }
        })),
      conflicts: { open: 0, parked: 0 }
    },
    ...changes
  }
}

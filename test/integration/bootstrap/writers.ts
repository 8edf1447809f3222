/** Random writes of one cell: rows of its own area, in ways that are hard to copy. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../../../services/replicator/src/store/session.ts'
import { AREA, type Cell } from './cluster.ts'

export interface Writer {
  readonly transactions: number
  stop(): Promise<void>
}

/** Ids of a cell leave this remainder: so no two cells write one row. */
const STRIDE = 8

export interface WriterOptions {
  readonly session: Session
  readonly ids: number
  readonly seed: number
  /** Orders go with their account, without a word in the binary log. */
  readonly cascades: boolean
}

export function startWriter(cell: Cell, { session, ids, seed, cascades }: WriterOptions): Writer {
  const area = AREA[cell.name] ?? ''
  const random = randomOf(seed)
  const remainder = area === 'xa' ? 0 : 1
  const anyId = (): number => Math.floor(random() * ids) * STRIDE + remainder
  let transactions = 0
  let stopped = false
  const running = (async () => {
    while (!stopped) {
      await session.run(transactionSql({ random, area, anyId, cascades }))
      transactions += 1
      await sleep(random() * 4)
    }
  })()
  return {
    get transactions() {
      return transactions
    },
    stop: async () => {
      stopped = true
      await running
    }
  }
}

interface Choice {
  readonly random: () => number
  readonly area: string
  readonly anyId: () => number
  readonly cascades: boolean
}

function transactionSql({ random, area, anyId, cascades }: Choice): string {
  const [a, b] = [anyId(), anyId()]
  const text = `note ${Math.floor(random() * 1e9)}`
  const choices = [
    // New rows, among the old ones and behind them.
    `INSERT IGNORE INTO shop.accounts (id, area, email, balance, note) VALUES (${a}, '${area}', 'm${a}', 0, '${text}')`,
    `UPDATE shop.accounts SET balance = balance + 1, note = '${text}' WHERE id = ${a}`,
    `UPDATE shop.accounts SET balance = balance - 1 WHERE id IN (${a}, ${b})`,
    // A secondary key goes from one row to another.
    a === b ? 'DO 1' : `UPDATE shop.accounts SET email = NULL WHERE id = ${a}; UPDATE IGNORE shop.accounts SET email = 'm${a}' WHERE id = ${b}`,
    // A key that changes.
    `UPDATE IGNORE shop.accounts SET id = ${a} WHERE id = ${b} AND id NOT IN (SELECT parent FROM shop.orders WHERE parent IS NOT NULL)`,
    `INSERT IGNORE INTO shop.orders (area, no, parent, amount) SELECT '${area}', ${b}, ${a}, 1.25 FROM DUAL WHERE EXISTS (SELECT 1 FROM shop.accounts WHERE id = ${a})`,
    `UPDATE shop.orders SET amount = amount * 1.5 WHERE area = '${area}' AND no BETWEEN ${a} AND ${a + STRIDE * 5} AND amount < 1000000`,
    `DELETE FROM shop.orders WHERE area = '${area}' AND no = ${a}`,
    `${cascades ? '' : `DELETE FROM shop.orders WHERE parent = ${a};`} DELETE FROM shop.accounts WHERE id = ${a}`
  ]
  return `START TRANSACTION; ${choices[Math.floor(random() * choices.length)] ?? ''}; COMMIT`
}

/** mulberry32: the same writes for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

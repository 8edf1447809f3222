import type { Row, TableIdentity } from '@cellway/change'
import t from 'tap'
import { AnswerReader, AnswerWriter } from './answer-codec.ts'
import type { ChunkAnswer, WaitingAnswer } from './protocol.ts'

const TABLE: TableIdentity = {
  schema: 's',
  name: 't',
  columns: [
    { name: 'id', type: 'bigint', characterSet: '' },
    { name: 'body', type: 'longblob', characterSet: '' }
  ],
  keyColumns: [0]
}

function chunk(rows: number): ChunkAnswer {
  return {
    kind: 'chunk',
    requestId: 'r',
    target: 'b',
    index: 0,
    last: true,
    table: { schema: 's', name: 't' },
    low: { a: '0-1-5' },
    high: { a: '0-1-7' },
    rows,
    lastKey: '{"id": "3"}',
    tableDone: true
  }
}

const WAITING: WaitingAnswer = { kind: 'waiting', requestId: 'r', target: 'b', reason: 'because' }

function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 31) % 251))
}

t.test('answers survive the wire, small and large', async (t) => {
  const writer = new AnswerWriter('a', 3)
  const reader = new AnswerReader()
  const large: Row[] = [
    [1n, bytes(9_000_000)],
    [2n, null],
    [-3n, bytes(2)]
  ]
  for (const [head, rows, wantRecords] of [
    [WAITING, [], 1],
    [chunk(0), [], 1],
    [
      chunk(2),
      [
        [1n, bytes(10)],
        [2n, null]
      ],
      1
    ],
    [chunk(3), large, 4],
    [WAITING, [], 1]
  ] as const) {
    const records = writer.records(head, rows.length === 0 ? undefined : { table: TABLE, rows })
    t.equal(records.length, wantRecords)
    const answers = records.map((record) => reader.take(record))
    t.same(
      answers.slice(0, -1).filter((answer) => answer !== undefined),
      [],
      'nothing before the last part'
    )
    const answer = answers.at(-1)
    t.same(answer?.head, head)
    t.ok(answer?.rows.every((row, at) => row[0] === rows[at]?.[0] && sameBytes(row[1], rows[at]?.[1])))
    t.equal(answer?.rows.length, rows.length)
  }
})

t.test('what a killed source left unfinished is dropped, and its next answers are read', async (t) => {
  const reader = new AnswerReader()
  const [first = Buffer.of(), second = Buffer.of()] = new AnswerWriter('a', 3).records(chunk(1), { table: TABLE, rows: [[1n, bytes(9_000_000)]] })
  t.equal(reader.take(first), undefined)
  t.same(reader.take(new AnswerWriter('a', 4).records(WAITING)[0] ?? first)?.head, WAITING)
  t.equal(reader.take(second), undefined, 'the rest of the broken one means nothing')
  const records = new AnswerWriter('a', 5).records(chunk(1), { table: TABLE, rows: [[1n, bytes(9_000_000)]] })
  t.equal(records.map((record) => reader.take(record)).at(-1)?.rows.length, 1)
})

function sameBytes(left: unknown, right: unknown): boolean {
  return left instanceof Uint8Array && right instanceof Uint8Array ? Buffer.compare(left, right) === 0 : left === right
}

/**
 * What the two replicators say to each other through the center. The target writes requests into `target/mysql-snapshot-request`, as
 * JSON, the newest one counts. The source writes answers into `source/mysql-snapshot`: records of `packages/change` with one
 * transaction per answer, whose first change carries the head as JSON and whose other changes are the rows of a chunk as inserts.
 */
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { answerInvalid } from './errors.ts'
import type { TableName } from './gate.ts'
import type { Vector } from './vector.ts'

export const REQUEST_STORE = 'mysql-snapshot-request'
export const SNAPSHOT_STORE = 'mysql-snapshot'

interface RequestCommon {
  readonly version: 1
  /** New for each request; answers carry it. */
  readonly id: string
  readonly runId: string
  readonly source: string
}

export interface BeginRequest extends RequestCommon {
  readonly kind: 'begin'
  /** The source must have applied the target's own stream up to here, or rows would be lost; empty: there is nothing to lose. */
  readonly targetPosition: string
}

export interface CopyRequest extends RequestCommon {
  readonly kind: 'copy'
  /** What the target has applied. The snapshot must contain all of it. */
  readonly vector: Vector
  readonly table: TableName
  /** Image of the last key the target has; null: from the start. */
  readonly afterKey: string | null
  readonly chunks: number
  readonly chunkRows: number
  readonly chunkBytes: number
  /** 0: as fast as it goes. */
  readonly rowsPerSecond: number
}

export interface EndRequest extends RequestCommon {
  readonly kind: 'end'
}

export type SnapshotRequest = BeginRequest | CopyRequest | EndRequest

interface AnswerCommon {
  readonly requestId: string
  readonly target: string
}

/** One table of the source; all of them, then `catalog-end`. */
export interface CatalogTable {
  readonly schema: string
  readonly name: string
  readonly flavour: 'mariadb' | 'mysql'
  /** In the source's own flavour. */
  readonly createSql: string
  /** For a target of the other flavour. */
  readonly portableSql: readonly string[]
  readonly characterSet: string
  readonly collation: string
  readonly rowsEstimated: number
  readonly references: readonly { readonly schema: string; readonly name: string; readonly cascades: boolean }[]
}

export interface TableAnswer extends AnswerCommon {
  readonly kind: 'table'
  readonly table: CatalogTable
}

export interface CatalogEndAnswer extends AnswerCommon {
  readonly kind: 'catalog-end'
  readonly tables: number
  /** Everything up to here is in every snapshot from now on: where the target's appliers begin. */
  readonly vector: Vector
}

export interface ChunkAnswer extends AnswerCommon {
  readonly kind: 'chunk'
  /** From 0 within the request. */
  readonly index: number
  readonly last: boolean
  readonly table: TableName
  /** Everything up to `low` is in the chunk, nothing behind `high` is. */
  readonly low: Vector
  readonly high: Vector
  readonly rows: number
  /** Image of the key of the last row; null when the chunk is empty. */
  readonly lastKey: string | null
  readonly tableDone: boolean
}

/** The source is alive and cannot answer yet. */
export interface WaitingAnswer extends AnswerCommon {
  readonly kind: 'waiting'
  readonly reason: string
}

export interface RefusedAnswer extends AnswerCommon {
  readonly kind: 'refused'
  readonly problem: string
}

export type SnapshotAnswer = TableAnswer | CatalogEndAnswer | ChunkAnswer | WaitingAnswer | RefusedAnswer

const Text = Type.String()
const Positions = Type.Record(Text, Text)
const Name = { schema: Text, name: Text }
const Count = Type.Integer({ minimum: 0 })
const requestCommon = { version: Type.Literal(1), id: Text, runId: Text, source: Text }
const REQUEST = Type.Union([
  Type.Object({ ...requestCommon, kind: Type.Literal('begin'), targetPosition: Text }),
  Type.Object({
    ...requestCommon,
    kind: Type.Literal('copy'),
    vector: Positions,
    table: Type.Object(Name),
    afterKey: Type.Union([Text, Type.Null()]),
    chunks: Type.Integer({ minimum: 1, maximum: 10_000 }),
    chunkRows: Type.Integer({ minimum: 1, maximum: 100_000 }),
    chunkBytes: Type.Integer({ minimum: 1024, maximum: 64 * 1024 * 1024 }),
    rowsPerSecond: Type.Number({ minimum: 0 })
  }),
  Type.Object({ ...requestCommon, kind: Type.Literal('end') })
])

const answerCommon = { requestId: Text, target: Text }
const ANSWER = Type.Union([
  Type.Object({
    ...answerCommon,
    kind: Type.Literal('table'),
    table: Type.Object({
      ...Name,
      flavour: Type.Union([Type.Literal('mariadb'), Type.Literal('mysql')]),
      createSql: Text,
      portableSql: Type.Array(Text),
      characterSet: Text,
      collation: Text,
      rowsEstimated: Count,
      references: Type.Array(Type.Object({ ...Name, cascades: Type.Boolean() }))
    })
  }),
  Type.Object({ ...answerCommon, kind: Type.Literal('catalog-end'), tables: Count, vector: Positions }),
  Type.Object({
    ...answerCommon,
    kind: Type.Literal('chunk'),
    index: Count,
    last: Type.Boolean(),
    table: Type.Object(Name),
    low: Positions,
    high: Positions,
    rows: Count,
    lastKey: Type.Union([Text, Type.Null()]),
    tableDone: Type.Boolean()
  }),
  Type.Object({ ...answerCommon, kind: Type.Literal('waiting'), reason: Text }),
  Type.Object({ ...answerCommon, kind: Type.Literal('refused'), problem: Text })
])

/** Undefined for a request of another version: an older source leaves it to the operator to see that nothing answers. */
export function parseRequest(bytes: Uint8Array): SnapshotRequest | undefined {
  const document = parseJson(Buffer.from(bytes).toString('utf8'))
  return Value.Check(REQUEST, document) ? (document as SnapshotRequest) : undefined
}

/** @throws BOO_ANSWER_INVALID */
export function parseAnswer(text: string): SnapshotAnswer {
  const document = parseJson(text)
  if (!Value.Check(ANSWER, document)) throw answerInvalid({ problem: `no known answer: ${text.slice(0, 100)}` })
  return document as SnapshotAnswer
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

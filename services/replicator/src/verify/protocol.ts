import type { TableIdentity } from '@cellway/change'
import type { Flavour } from '@cellway/mysql-value'

/**
 * What the replicator of one cell asks another one while it compares their stores. Plain JSON, so that it goes over any transport;
 * keys and images are `imageText`. The identity is the one of the asking cell: both sides read their rows as that table.
 */
export type VerifyQuestion =
  | { readonly ask: 'describe'; readonly table: TableName }
  /** With `wanted`, the answer waits until those positions of other cells are applied, at most `waitMs`. */
  | { readonly ask: 'positions'; readonly wanted?: Readonly<Record<string, string>>; readonly waitMs?: number }
  | ({ readonly ask: 'digest' } & RangeQuestion)
  | ({ readonly ask: 'hashes'; readonly limit: number } & RangeQuestion)
  | { readonly ask: 'images'; readonly identity: TableIdentity; readonly keys: readonly string[] }

export interface TableName {
  readonly schema: string
  readonly name: string
}

/** Rows with after < key <= upTo; null: no bound. */
export interface RangeQuestion {
  readonly identity: TableIdentity
  readonly reading: Reading
  readonly after: string | null
  readonly upTo: string | null
}

/** How rows become bytes; both sides of a comparison do the same. */
export interface Reading {
  /** `server`: the databases hash. `client`: the replicators do, for types that the two databases print in their own ways. */
  readonly hash: 'server' | 'client'
  /** The two flavours format JSON each in its way: compare what it means. */
  readonly jsonByMeaning: boolean
}

export interface TableAnswer {
  readonly flavour: Flavour
  readonly identity: TableIdentity
}

/** What a cell has written itself, and what of the others it has applied; each in the coordinates of its origin. */
export interface PositionsAnswer {
  readonly kind: Flavour
  readonly own: string
  readonly applied: Readonly<Record<string, string>>
  /** Which of the wanted positions is not reached; null: all are. */
  readonly behind: { readonly cell: string; readonly position: string; readonly applied: string } | null
}

export interface DigestAnswer {
  readonly rows: number
  readonly digest: string
}

export interface HashesAnswer {
  readonly rows: readonly { readonly key: string; readonly hash: string }[]
}

/** In the order of the keys; null: no such row. */
export interface ImagesAnswer {
  readonly images: readonly (string | null)[]
}

export type VerifyAnswer = TableAnswer | PositionsAnswer | DigestAnswer | HashesAnswer | ImagesAnswer

export type AnswerTo<Question extends VerifyQuestion> = Question extends { readonly ask: 'describe' }
  ? TableAnswer
  : Question extends { readonly ask: 'positions' }
    ? PositionsAnswer
    : Question extends { readonly ask: 'digest' }
      ? DigestAnswer
      : Question extends { readonly ask: 'hashes' }
        ? HashesAnswer
        : ImagesAnswer

/** A cell that can be asked: this one directly, another one over its replicator. */
export interface VerifySource {
  readonly cell: string
  ask<Question extends VerifyQuestion>(question: Question, signal: AbortSignal): Promise<AnswerTo<Question>>
}

import type { Branded } from '@cellway/base'
import { topologyInvalid } from './errors.ts'

/** Lower-case letters, digits and `-`, 1 to 32 characters, starting with a letter: safe in headers, paths, metrics and file names. */
export type CellId = Branded<string, 'CellId'>
export type SpaceId = Branded<string, 'SpaceId'>

/**
 * A bucket by its public name: `hash` buckets are decimal numbers (`"17"`), `list` buckets their value (`"bj"`),
 * the bucket of a `single` space is `"all"`, and a pinned key's own bucket is `"pin:" + key`.
 */
export type BucketName = Branded<string, 'BucketName'>

/** Grows with each ownership change of a bucket; starts at 1; never reused, never lowered. */
export type Epoch = Branded<number, 'Epoch'>

export const FIRST_EPOCH = 1 as Epoch

const NAME = /^[a-z][a-z0-9-]{0,31}$/

/** Words that mean something else as a property of an object; refused everywhere a name is chosen. */
const RESERVED = new Set(['__proto__', 'constructor', 'prototype'])

export function isReservedName(name: string): boolean {
  return RESERVED.has(name)
}

export function isName(value: string): boolean {
  return NAME.test(value) && !RESERVED.has(value)
}

/** @throws TOPO_INVALID */
export function parseCellId(value: string): CellId {
  if (!isName(value)) throw topologyInvalid({ reason: 'a cell is named by 1 to 32 lower-case letters, digits and "-", starting with a letter' })
  return value as CellId
}

/** @throws TOPO_INVALID */
export function parseSpaceId(value: string): SpaceId {
  if (!isName(value)) throw topologyInvalid({ reason: 'a space is named by 1 to 32 lower-case letters, digits and "-", starting with a letter' })
  return value as SpaceId
}

/** Whether such a bucket exists only a snapshot knows: see `findBucket`. @throws TOPO_INVALID */
export function parseBucketName(value: string): BucketName {
  if (value === '') throw topologyInvalid({ reason: 'a bucket has a name' })
  return value as BucketName
}

/** @throws TOPO_INVALID */
export function parseEpoch(value: number): Epoch {
  if (!Number.isSafeInteger(value) || value < 1) throw topologyInvalid({ reason: 'an epoch is an integer from 1 up' })
  return value as Epoch
}

import type { Branded } from '@cellway/base'

/** Lower-case letters, digits and `-`, 1 to 32 characters: safe in headers, paths, metrics and file names. */
export type CellId = Branded<string, 'CellId'>
export type SpaceId = Branded<string, 'SpaceId'>

/**
 * A bucket by its public name: `hash` buckets are decimal numbers (`"17"`), `list` buckets their value (`"bj"`),
 * the bucket of a `single` space is `"all"`, and a pinned key's own bucket is `"pin:" + key`.
 */
export type BucketName = Branded<string, 'BucketName'>

/** Grows with each ownership change of a bucket; starts at 1; never reused, never lowered. */
export type Epoch = Branded<number, 'Epoch'>

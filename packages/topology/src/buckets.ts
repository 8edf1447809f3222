import { assertNever } from '@cellway/base'
import type { SpaceConfig, Topology } from './config.ts'
import type { BucketName, SpaceId } from './ids.ts'

export const SINGLE_BUCKET = 'all' as BucketName
const PIN_PREFIX = 'pin:'

/** Every bucket of the space in ledger order: its own buckets, then its pins in the order of the file. */
export function bucketNames(topology: Topology, space: SpaceId): readonly BucketName[] {
  const config = topology.spaces[space]
  if (config === undefined) return []
  return [...ownBucketNames(config), ...pinnedKeys(topology, space).map(pinBucket)]
}

export function ownBucketNames(config: SpaceConfig): readonly BucketName[] {
  switch (config.kind) {
    case 'hash':
      return Array.from({ length: config.buckets }, (_, index) => String(index) as BucketName)
    case 'list':
      return config.values as readonly string[] as readonly BucketName[]
    case 'single':
      return [SINGLE_BUCKET]
    default:
      return assertNever(config)
  }
}

export function pinnedKeys(topology: Topology, space: SpaceId): readonly string[] {
  return Object.keys(topology.pins[space] ?? {})
}

export function pinBucket(key: string): BucketName {
  return (PIN_PREFIX + key) as BucketName
}

export function spaceIds(topology: Topology): readonly SpaceId[] {
  return Object.keys(topology.spaces) as SpaceId[]
}

import { defineError } from '@cellway/base'
import type { CellId, Epoch, SpaceId } from './ids.ts'

export const keyMissing = defineError<{ space: SpaceId; tried: readonly string[] }>({
  code: 'TOPO_KEY_MISSING',
  message: 'The request carries no routing key, and its route does not say where such requests go',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const keyAmbiguous = defineError<{ source: string; reason: string }>({
  code: 'TOPO_KEY_AMBIGUOUS',
  message: 'The routing key is given more than once',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const keyInvalid = defineError<{ reason: string; source?: string }>({
  code: 'TOPO_KEY_INVALID',
  message: 'The routing key is not in its one canonical spelling',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const valueUnknown = defineError<{ space: SpaceId; source: string }>({
  code: 'TOPO_VALUE_UNKNOWN',
  message: 'The routing key is none of the values of its space',
  statusCode: 400,
  origin: 'client',
  retry: 'never'
})

export const noRoute = defineError<{ host: string; path: string }>({
  code: 'TOPO_NO_ROUTE',
  message: 'No route matches the request',
  statusCode: 404,
  origin: 'client',
  retry: 'never'
})

export const notOwner = defineError<{ owner: CellId; epoch: Epoch | undefined }>({
  code: 'TOPO_NOT_OWNER',
  message: 'The request was forwarded to a cell that does not own its bucket',
  statusCode: 421,
  origin: 'internal',
  retry: 'after-change'
})

export const bucketFrozen = defineError<{ space: SpaceId; bucket: string; epoch: Epoch; reason: string }>({
  code: 'TOPO_FROZEN',
  message: 'The bucket takes no writes until an operator thaws it',
  statusCode: 503,
  origin: 'operator',
  retry: 'after-change'
})

export const snapshotCorrupt = defineError<{ reason: string }>({
  code: 'TOPO_SNAPSHOT_CORRUPT',
  message: 'The snapshot is damaged or was not written by Cellway',
  statusCode: 500,
  origin: 'operator',
  retry: 'never'
})

export const topologyInvalid = defineError<{ reason: string }>({
  code: 'TOPO_INVALID',
  message: 'A value does not fit the topology',
  statusCode: 400,
  origin: 'operator',
  retry: 'never'
})

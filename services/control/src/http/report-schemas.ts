import { PART_STATES, REPLICATOR_PHASES } from '../reports.ts'
import { array, CELL_STATUS, COUNT, MEMBER_VIEW, NAME, NULLABLE_TEXT, object, type Schema, TEXT, TIME } from './schemas.ts'

/** Of a process that may be newer or older than control: what it says beyond this is let through and left alone. */
function tolerant(properties: Readonly<Record<string, Schema>>): Schema {
  return { ...object(properties), additionalProperties: true }
}

const MS: Schema = { type: ['number', 'null'] }
const SHORT: Schema = { type: ['string', 'null'], maxLength: 4096 }
const STATEMENT: Schema = { type: ['string', 'null'], maxLength: 65_536, description: 'What an operator has to run so that it goes on' }
const EXPLAINED = { reason: SHORT, code: SHORT, statement: STATEMENT }
const STAGES = { captured: MS, center: MS, applied: MS }
const POSITION: Schema = { type: ['string', 'null'], maxLength: 65_536 }
const REPLICATOR_CONFLICTS = { open: COUNT, parked: COUNT }
const EPOCH_OR_NULL: Schema = { type: ['integer', 'null'] }

const CAPTURE = { ...EXPLAINED, state: { enum: PART_STATES }, position: POSITION, transactions: COUNT, echoes: COUNT, spilledBytes: COUNT }
const STREAM = {
  ...EXPLAINED,
  from: NAME,
  state: { enum: PART_STATES },
  position: POSITION,
  transactions: COUNT,
  conflicts: COUNT,
  lagMs: MS,
  stages: tolerant(STAGES)
}

export const REPORT_BODY_BYTES_MAX = 512 * 1024

export const REPLICATOR_STATUS: Schema = tolerant({
  ...EXPLAINED,
  phase: { enum: REPLICATOR_PHASES },
  startedAt: TIME,
  epoch: EPOCH_OR_NULL,
  snapshotVersion: COUNT,
  server: SHORT,
  rpo: TEXT,
  capture: tolerant(CAPTURE),
  streams: array(tolerant(STREAM), { maxItems: 64 }),
  conflicts: tolerant(REPLICATOR_CONFLICTS)
})

export const REPLICATOR_VIEW: Schema = object({
  cell: TEXT,
  member: TEXT,
  phase: { enum: REPLICATOR_PHASES },
  ...EXPLAINED,
  startedAt: TIME,
  snapshotVersion: COUNT,
  server: NULLABLE_TEXT,
  rpo: TEXT,
  epoch: EPOCH_OR_NULL,
  capture: tolerant(CAPTURE),
  conflicts: tolerant(REPLICATOR_CONFLICTS),
  lastSeen: TIME,
  stale: { type: 'boolean' }
})

export const STREAM_VIEW: Schema = object({
  stream: TEXT,
  from: TEXT,
  to: TEXT,
  state: { enum: [...PART_STATES, 'unknown'] },
  ...EXPLAINED,
  position: POSITION,
  transactions: COUNT,
  conflicts: COUNT,
  lagMs: MS,
  stages: tolerant(STAGES)
})

export const STATUS: Schema = object({
  version: COUNT,
  checksum: NULLABLE_TEXT,
  topologyVersion: COUNT,
  cells: { type: 'object', additionalProperties: CELL_STATUS },
  members: array(MEMBER_VIEW),
  replicators: array(REPLICATOR_VIEW),
  streams: array(STREAM_VIEW),
  time: TIME
})

import { defineError } from '@cellway/base'

/** No control process could be reached; for commands: none of them has received it. */
export const unreachable = defineError<{ urls: readonly string[] }>({
  code: 'CLIENT_UNREACHABLE',
  message: 'No control process can be reached',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** A repetition with the same idempotency key is safe: the command is carried out once. */
export const outcomeUnknown = defineError<{ call: string; idempotencyKey: string }>({
  code: 'CLIENT_OUTCOME_UNKNOWN',
  message: 'The command was sent, but no answer came: it may have been carried out',
  statusCode: 504,
  origin: 'operator',
  retry: 'later'
})

export const timedOut = defineError<{ call: string; timeoutMs: number }>({
  code: 'CLIENT_TIMEOUT',
  message: 'Control did not answer in time',
  statusCode: 504,
  origin: 'operator',
  retry: 'later'
})

/** Something else listens there, a proxy stands between, or the versions do not fit. */
export const responseInvalid = defineError<{ call: string; status?: number; problem: string }>({
  code: 'CLIENT_RESPONSE_INVALID',
  message: 'The answer is not one of a control process',
  statusCode: 502,
  origin: 'operator',
  retry: 'after-change'
})

export const heartbeatLost = defineError<{ url: string; timeoutMs: number }>({
  code: 'CLIENT_HEARTBEAT_LOST',
  message: 'The watch went silent',
  statusCode: 504,
  origin: 'operator',
  retry: 'later'
})

export const watchEnded = defineError<{ url: string }>({
  code: 'CLIENT_WATCH_ENDED',
  message: 'Control ended the watch',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

/** Control has lost its memory, as after a restore from an old copy: adopting this would give a bucket two owners in one epoch. */
export const epochLowered = defineError<{ version: number; space: string; bucket: string; epoch: number; newEpoch: number }>({
  code: 'CLIENT_EPOCH_LOWERED',
  message: 'A newer snapshot would lower the epoch of a bucket; it is not adopted',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

import { defineError } from '@cellway/base'
import type { Problem } from '@cellway/topology'

export const usage = defineError<{ problem: string; fix: string }>({
  code: 'CLI_USAGE',
  message: 'The command cannot be understood',
  statusCode: 400,
  origin: 'client',
  retry: 'after-change'
})

export const noControl = defineError<{ fix: string }>({
  code: 'CLI_NO_CONTROL',
  message: 'Nothing says where control is',
  statusCode: 400,
  origin: 'client',
  retry: 'after-change'
})

export const noToken = defineError<{ control: readonly string[]; fix: string }>({
  code: 'CLI_NO_TOKEN',
  message: 'There is no token for this control plane',
  statusCode: 400,
  origin: 'client',
  retry: 'after-change'
})

export const fileUnreadable = defineError<{ file: string; reason: string }>({
  code: 'CLI_FILE_UNREADABLE',
  message: 'A file cannot be read',
  statusCode: 400,
  origin: 'client',
  retry: 'after-change'
})

export const topologyInvalid = defineError<{ file: string; problems: readonly Problem[] }>({
  code: 'CLI_TOPOLOGY_INVALID',
  message: 'The topology file has problems',
  statusCode: 422,
  origin: 'client',
  retry: 'after-change'
})

export const confirmationNeeded = defineError<{ fix: string }>({
  code: 'CLI_CONFIRMATION_NEEDED',
  message: 'The command changes something and nobody is here to confirm it',
  statusCode: 409,
  origin: 'client',
  retry: 'after-change'
})

export const notConfirmed = defineError<Record<string, never>>({
  code: 'CLI_NOT_CONFIRMED',
  message: 'Not confirmed; nothing was changed',
  statusCode: 409,
  origin: 'client',
  retry: 'never'
})

export const interrupted = defineError<Record<string, never>>({
  code: 'CLI_INTERRUPTED',
  message: 'Interrupted; nothing was changed',
  statusCode: 409,
  origin: 'client',
  retry: 'never'
})

export const secretUnresolved = defineError<{ reference: string; reason: string }>({
  code: 'CLI_SECRET_UNRESOLVED',
  message: 'A secret that the topology refers to is not available on this machine',
  statusCode: 400,
  origin: 'operator',
  retry: 'after-change'
})

export const noCenter = defineError<{ fix: string }>({
  code: 'CLI_NO_CENTER',
  message: 'Nothing says where the center is, or there is no token for it',
  statusCode: 400,
  origin: 'client',
  retry: 'after-change'
})

export const centerUnreachable = defineError<{ url: string; reason: string }>({
  code: 'CLI_CENTER_UNREACHABLE',
  message: 'The center does not answer',
  statusCode: 503,
  origin: 'operator',
  retry: 'later'
})

import { defineError } from '@cellway/base'

/** `fix` is the sentence a newcomer reads last: what to type or change next. */
export const optionInvalid = defineError<{ problem: string; fix: string }>({
  code: 'LOCAL_OPTION_INVALID',
  message: 'An option of the local run is not usable',
  statusCode: 400,
  origin: 'operator',
  retry: 'after-change'
})

export const portTaken = defineError<{ ports: readonly string[]; fix: string }>({
  code: 'LOCAL_PORT_TAKEN',
  message: 'A port that the local run needs is in use',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const alreadyRunning = defineError<{ basePort: number; pid: number; fix: string }>({
  code: 'LOCAL_ALREADY_RUNNING',
  message: 'A local run with this base port is already running',
  statusCode: 409,
  origin: 'operator',
  retry: 'after-change'
})

export const notRunning = defineError<{ basePort: number; fix: string }>({
  code: 'LOCAL_NOT_RUNNING',
  message: 'No local run with this base port is running',
  statusCode: 404,
  origin: 'operator',
  retry: 'after-change'
})

export const serverMissing = defineError<{ programs: readonly string[]; fix: string }>({
  code: 'LOCAL_SERVER_MISSING',
  message: 'Programs that have to be installed on this machine are missing',
  statusCode: 424,
  origin: 'operator',
  retry: 'after-change'
})

export const installFailed = defineError<{ command: string; output: string; fix: string }>({
  code: 'LOCAL_INSTALL_FAILED',
  message: 'Installing system packages failed',
  statusCode: 424,
  origin: 'operator',
  retry: 'later'
})

export const commandFailed = defineError<{ command: string; ending: string; output: string }>({
  code: 'LOCAL_COMMAND_FAILED',
  message: 'A command that prepares the local run failed',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

export const processFailed = defineError<{ process: string; ending: string; log: string; tail: string }>({
  code: 'LOCAL_PROCESS_FAILED',
  message: 'A process ended before it was ready',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

export const processNotReady = defineError<{ process: string; waitedMs: number; last: string; log: string; tail: string }>({
  code: 'LOCAL_PROCESS_NOT_READY',
  message: 'A process was not ready in time',
  statusCode: 504,
  origin: 'operator',
  retry: 'later'
})

export const processUnknown = defineError<{ process: string; fix: string }>({
  code: 'LOCAL_PROCESS_UNKNOWN',
  message: 'The local run has no process of this name',
  statusCode: 404,
  origin: 'operator',
  retry: 'never'
})

export const stepFailed = defineError<{ step: string; problem: string }>({
  code: 'LOCAL_STEP_FAILED',
  message: 'A step of the start failed',
  statusCode: 500,
  origin: 'operator',
  retry: 'after-change'
})

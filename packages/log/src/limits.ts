import { RECORD_BYTES_MAX as CHANGE_RECORD_BYTES_MAX } from '@cellway/change'

/** The largest record of changes. */
export const RECORD_BYTES_MAX = CHANGE_RECORD_BYTES_MAX

/** Appends that wait for the disk, in one log: the disk is at least a second behind. Full => LOG_OVERLOADED, the source waits. */
export const PENDING_BYTES_MAX = 64 * 1024 * 1024
export const PENDING_APPENDS_MAX = 4096

/** What is written and made durable together: 1 MiB takes 1 to 2 ms, and more gains no throughput. */
export const GROUP_BYTES_MAX = 1024 * 1024

/** Two stores of a hundred cells, and room. */
export const STREAMS_MAX = 256

/** Reads that are open at one time: every cell reads every other one's streams. */
export const OPEN_READS_MAX = 4096

/** Known readers of one stream: the cells. */
export const READERS_MAX = 256

/** Of one read; what a reader holds in memory at a time. */
export const READ_BYTES_MAX = 64 * 1024 * 1024

/** Small enough to remove in time, large enough that a new file is rare. */
export const SEGMENT_BYTES = 64 * 1024 * 1024

/** Kept of each stream: an outage of some hours at the 3 MiB/s peak of one cell. */
export const RETENTION_BYTES = 32 * 1024 * 1024 * 1024
export const RETENTION_MS = 3 * 24 * 3600 * 1000

/** Kept of a stream for the sake of a reader that is behind. From here on appends are refused, and say for whom. */
export const STREAM_BYTES_MAX = 128 * 1024 * 1024 * 1024

/** Left free on the disk: a log that fills it cannot even record how it stopped. */
export const FREE_BYTES_MIN = 256 * 1024 * 1024

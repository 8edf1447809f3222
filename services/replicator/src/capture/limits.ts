/** Records that wait for the center in memory: some seconds of a cell's peak of 3 MiB/s. Full => they go to the disk. */
export const OUTBOX_BYTES_MAX = 16 * 1024 * 1024

/** Spilled records: six minutes of that peak. Full => the source is not read, and keeps its binlogs itself. */
export const SPILL_BYTES_MAX = 1024 * 1024 * 1024

/** One file of the spill; it is removed when all of it was sent. */
export const SPILL_FILE_BYTES = 32 * 1024 * 1024

/** Of one transaction, before it goes on in parts: a part of a record (4 MiB) in memory, and the next one on its way. */
export const TRANSACTION_BYTES_HELD_MAX = 4 * 1024 * 1024

/** Appends under way where the log promises that none passes one that failed: covers 8 records of 256 KiB per round trip. */
export const APPENDS_IN_FLIGHT_MAX = 8

/** The server sends one when it has nothing else. */
export const HEARTBEAT_PERIOD_MS = 1000

/** Periods without a byte: the link is dead, whatever the socket says. */
export const SILENT_PERIODS_MAX = 3

/** Until the source answers a query of the capture's setup. */
export const SETUP_TIMEOUT_MS = 15_000

export const BACKOFF_MS_MIN = 100
export const BACKOFF_MS_MAX = 5000

/**
 * With nothing else to send, the position alone is published after so long. The heartbeat row does it each second; this is for a
 * store that takes no writes of ours. Rare, because in other cells it moves a checkpoint, which their own captures see.
 */
export const POSITION_MOVE_MS = 10_000

/** Reader reports of the center are fetched so often while the capture waits for them. */
export const READERS_POLL_MS = 1000

/** Semi-sync status of the source is asked for so often. */
export const SEMI_SYNC_POLL_MS = 1000

/** A server that is behind at a reconnect may only be late to show a transaction it has just sent. Asked so often before the stop. */
export const BEHIND_CHECKS_MAX = 5

/** Descriptions of tables that are kept; the oldest goes first. */
export const TABLES_MAX = 4096

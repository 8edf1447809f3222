/** Largest record, compressed or not. A part of a split transaction stays below it by PART_BYTES_MAX; more is a forgery. */
export const RECORD_BYTES_MAX = 16 * 1024 * 1024

/** From here on a record of whole transactions is closed. Larger ones gain nothing in the log's throughput (bench `log`) and cost latency. */
export const RECORD_BYTES_TARGET = 256 * 1024

/** A transaction longer than this is split; a row longer than this travels in fragments. Twice this and the tables fit a record. */
export const PART_BYTES_MAX = 4 * 1024 * 1024

/** A GTID set of 5,000 servers with one interval each. */
export const POSITION_BYTES_MAX = 256 * 1024

/** Cell, store, schema, table and column names: 64 characters of 4 bytes in MySQL; types may list the values of an ENUM. */
export const NAME_BYTES_MAX = 1024
export const TYPE_BYTES_MAX = 1024 * 1024

/** MySQL's own bound on the columns of a table. */
export const COLUMNS_MAX = 4096

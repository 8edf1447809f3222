export type { EmbeddedStoreOptions } from './embedded.ts'
export { openEmbeddedStore } from './embedded.ts'
export type { MemoryStoreOptions } from './memory.ts'
export { createMemoryStore } from './memory.ts'
export type { Mirror, MirrorOptions } from './mirror.ts'
export { listAll, openMirror } from './mirror.ts'
export type {
  CommitRequest,
  CommitResult,
  Comparison,
  ListOptions,
  Put,
  Store,
  StoreEntry,
  StorePage,
  WatchBatch,
  WatchEvent,
  WatchOptions
} from './store.ts'
export { KEY_BYTES_MAX, LIST_LIMIT_MAX, VALUE_BYTES_MAX } from './store.ts'

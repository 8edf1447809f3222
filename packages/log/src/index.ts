export { checkReader, checkStream } from './check.ts'
export type { EmbeddedLog, EmbeddedLogOptions } from './embedded.ts'
export { openEmbeddedLog } from './embedded.ts'
export { logLinkBroken } from './errors.ts'
export type { FileSystem, OpenFile } from './files.ts'
export { PENDING_BYTES_MAX, READ_BYTES_MAX, RECORD_BYTES_MAX } from './limits.ts'
export type { Log, LogBatch, LogBounds, LogEvent, LogIdentity, LogPosition, LogRecord, ReadBatch, ReadOptions } from './log.ts'
export type { MemoryLogOptions } from './memory.ts'
export { createMemoryLog } from './memory.ts'
export { nodeFiles } from './node-files.ts'
export { createRemoteLog } from './remote.ts'
export { errorToWire } from './remote-errors.ts'
export type { CallOptions, ReaderReport, RemoteConnection, RemoteEvent, RemoteLog, RemoteLogOptions, RemoteTuning } from './remote-log.ts'
export type { Frame, FrameReader } from './remote-wire.ts'
export {
  BEAT_EVERY_MS,
  createFrameReader,
  encodeAck,
  encodeAppend,
  encodeBatch,
  encodeBeat,
  encodeError,
  encodeStream,
  encodeTaken,
  FRAMES_CONTENT_TYPE
} from './remote-wire.ts'
export type { LostRange, SalvagedStream, SalvageOptions, SalvageReport } from './salvage.ts'
export { salvage } from './salvage.ts'
export type { StreamInspection } from './stream-ports.ts'
export type { VerifiedStream, VerifyOptions, VerifyReport } from './verify.ts'
export { verifyLog } from './verify.ts'

import type { FileSystem, OpenFile } from '@cellway/log'

/** The same files, with the time that each sync takes told. */
export function timeSyncs(files: FileSystem, onSync: (ms: number) => void): FileSystem {
  return {
    ...files,
    async open(path, mode) {
      const file = await files.open(path, mode)
      return mode === 'read' ? file : timedFile(file, onSync)
    }
  }
}

function timedFile(file: OpenFile, onSync: (ms: number) => void): OpenFile {
  return {
    ...file,
    async sync() {
      const startedMs = performance.now()
      await file.sync()
      onSync(performance.now() - startedMs)
    }
  }
}

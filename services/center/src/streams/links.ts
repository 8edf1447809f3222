import type { CellwayError } from '@cellway/base'
import { overloaded, superseded } from '../errors.ts'

/** The open uploads and reads: how many there are, how far the reads are, and a way to end them. */
export interface Links {
  /** Ends an older upload of the same writer to the same stream. @throws CTR_OVERLOADED */
  openUpload(stream: string, writer: string): UploadLink
  /** @throws CTR_OVERLOADED */
  openRead(stream: string, reader: string): ReadLink
  endAll(error: CellwayError): void
  /** Resolves when none is open. */
  idle(): Promise<void>
  readonly uploads: number
  readonly reads: ReadonlySet<ReadLink>
}

export interface UploadLink extends Disposable {
  readonly ending: AbortSignal
}

export interface ReadLink extends Disposable {
  readonly ending: AbortSignal
  readonly stream: string
  readonly reader: string
  /** Behind the newest record that its reader is done with; undefined before the first. */
  next: number | undefined
}

export function createLinks({ uploadsMax, readsMax }: { readonly uploadsMax: number; readonly readsMax: number }): Links {
  const uploads = new Map<string, AbortController>()
  const uploadControllers = new Set<AbortController>()
  const reads = new Map<ReadLink, AbortController>()
  const readLinks = new Set<ReadLink>()
  let waiting: (() => void)[] = []
  const left = (): void => {
    if (uploadControllers.size > 0 || reads.size > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }
  return {
    openUpload(stream, writer) {
      const key = `${stream} ${writer}`
      if (uploadControllers.size >= uploadsMax) throw overloaded({ what: 'uploads', limit: uploadsMax })
      uploads.get(key)?.abort(superseded({ stream }))
      const controller = new AbortController()
      uploads.set(key, controller)
      uploadControllers.add(controller)
      return {
        ending: controller.signal,
        [Symbol.dispose]() {
          if (uploads.get(key) === controller) uploads.delete(key)
          uploadControllers.delete(controller)
          left()
        }
      }
    },
    openRead(stream, reader) {
      if (reads.size >= readsMax) throw overloaded({ what: 'reads', limit: readsMax })
      const controller = new AbortController()
      const link: ReadLink = {
        ending: controller.signal,
        stream,
        reader,
        next: undefined,
        [Symbol.dispose]() {
          reads.delete(link)
          readLinks.delete(link)
          left()
        }
      }
      reads.set(link, controller)
      readLinks.add(link)
      return link
    },
    endAll(error) {
      for (const controller of [...uploadControllers, ...reads.values()]) controller.abort(error)
    },
    idle() {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push(resolve)
      left()
      return promise
    },
    get uploads() {
      return uploadControllers.size
    },
    reads: readLinks
  }
}

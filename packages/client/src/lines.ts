/** Cuts a stream of bytes into lines; the last one without an end is dropped. @throws whatever `tooLong` makes */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  { bytesMax, onChunk, tooLong }: LinesOptions
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let parts: string[] = []
  let length = 0
  for await (const chunk of chunks) {
    onChunk()
    const pieces = decoder.decode(chunk, { stream: true }).split('\n')
    const rest = pieces.pop() ?? ''
    for (const piece of pieces) {
      yield parts.join('') + piece
      parts = []
      length = 0
    }
    parts.push(rest)
    length += rest.length
    if (length > bytesMax) throw tooLong()
  }
}

export interface LinesOptions {
  readonly bytesMax: number
  /** Every arrival is a sign of life, also the middle of a long line. */
  readonly onChunk: () => void
  readonly tooLong: () => Error
}

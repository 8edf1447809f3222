/** The head of a WebSocket frame is at most 14 bytes (RFC 6455 5.2). */
const HEAD_BYTES_MAX = 14

/**
 * Follows the frames that pass from the server to the client, only to know where one ends: a close frame of ours may stand
 * between two frames and nowhere else.
 */
export class FrameBoundary {
  #payloadLeft = 0n
  #head = Buffer.alloc(HEAD_BYTES_MAX)
  #headBytes = 0

  /** @returns whether the bytes so far end exactly at a frame boundary. */
  push(chunk: Buffer): boolean {
    let at = 0
    while (at < chunk.length) {
      if (this.#payloadLeft > 0n) {
        const skip = this.#payloadLeft < BigInt(chunk.length - at) ? Number(this.#payloadLeft) : chunk.length - at
        this.#payloadLeft -= BigInt(skip)
        at += skip
        continue
      }
      this.#head[this.#headBytes] = chunk[at] ?? 0
      this.#headBytes += 1
      at += 1
      this.#readHead()
    }
    return this.atBoundary
  }

  get atBoundary(): boolean {
    return this.#payloadLeft === 0n && this.#headBytes === 0
  }

  #readHead(): void {
    if (this.#headBytes < 2) return
    const second = this.#head[1] ?? 0
    const short = second & 0x7f
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
    const headBytes = 2 + lengthBytes + ((second & 0x80) === 0 ? 0 : 4)
    if (this.#headBytes < headBytes) return
    this.#payloadLeft = lengthBytes === 8 ? this.#head.readBigUInt64BE(2) : BigInt(lengthBytes === 2 ? this.#head.readUInt16BE(2) : short)
    this.#headBytes = 0
  }
}

/** A server's close frame: unmasked, status 1001 (going away), so that clients connect again. */
export function goingAwayFrame(reason: string): Buffer {
  const text = Buffer.from(reason.slice(0, 100), 'utf8')
  const frame = Buffer.alloc(4 + text.length)
  frame[0] = 0x88
  frame[1] = 2 + text.length
  frame.writeUInt16BE(1001, 2)
  text.copy(frame, 4)
  return frame
}

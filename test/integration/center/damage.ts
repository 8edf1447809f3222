import { readFileSync, writeFileSync } from 'node:fs'

/** As a disk that has rotted. */
export function flipBit(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(file, bytes)
}

import { ownText } from './own-text.ts'

export interface RememberLimits {
  readonly entriesMax: number
  /** Longer texts are computed each time: what clients choose must not fill the memory. */
  readonly charsMax: number
}

/**
 * Remembers what a pure function gave for a short text. Full => nothing is added any more, so that texts made up by a client
 * cannot push out the usual ones; they only cost what they cost without a memory. A throw is not remembered.
 */
export function remember<Value extends string | object>(
  make: (text: string) => Value,
  { entriesMax, charsMax }: RememberLimits
): (text: string) => Value {
  const made = new Map<string, Value>()
  return (text) => {
    const known = made.get(text)
    if (known !== undefined) return known
    if (made.size >= entriesMax || text.length > charsMax) return make(text)
    const own = ownText(text)
    const value = make(own)
    made.set(own, value)
    return value
  }
}

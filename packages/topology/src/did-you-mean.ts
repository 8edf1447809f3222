const NAME_CHARS_MAX = 64

/** The name that was probably meant: at most a third of its letters differ. */
export function closestName(given: string, names: readonly string[]): string | undefined {
  if (given.length > NAME_CHARS_MAX) return undefined
  let closest: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const name of names) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase())
    if (distance < least && distance <= Math.max(1, Math.floor(name.length / 3))) {
      least = distance
      closest = name
    }
  }
  return closest
}

/** Insertions, deletions and replacements (Levenshtein). */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous.at(-1) ?? 0
}

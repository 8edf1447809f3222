/** Whether some text matches both patterns, in which `*` stands for any text. Walks both at once; each pair of places is visited once. */
export function patternsOverlap(left: string, right: string): boolean {
  const width = right.length + 1
  const seen = new Set<number>()
  const open: [number, number][] = [[0, 0]]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [i, j] = next
    if (i === left.length && j === right.length) return true
    if (seen.has(i * width + j)) continue
    seen.add(i * width + j)
    const a = left[i]
    const b = right[j]
    // A star ends here, or takes one more character of the other pattern.
    if (a === '*') {
      open.push([i + 1, j])
      if (b !== undefined) open.push([i, j + 1])
    }
    if (b === '*') {
      open.push([i, j + 1])
      if (a !== undefined) open.push([i + 1, j])
    }
    if (a !== undefined && a === b) open.push([i + 1, j + 1])
  }
  return false
}

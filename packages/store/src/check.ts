import { storeCommitTooLarge, storeRequestInvalid, storeValueTooLarge } from './errors.ts'
import type { CommitRequest, ListOptions } from './store.ts'
import { COMMIT_BYTES_MAX, COMMIT_OPERATIONS_MAX, KEY_BYTES_MAX, KEY_PATTERN, LIST_LIMIT_MAX, VALUE_BYTES_MAX } from './store.ts'

/** The same refusals for every adapter, before it touches anything. */
export function checkCommit(request: CommitRequest): Required<CommitRequest> {
  const { compare = [], puts = [], deletes = [] } = request
  const operations = compare.length + puts.length + deletes.length
  let bytes = 0
  for (const comparison of compare) {
    checkKey(comparison.key)
    if ('revision' in comparison && !(Number.isSafeInteger(comparison.revision) && comparison.revision > 0)) {
      throw storeRequestInvalid({ problem: 'a compared revision is a positive integer', key: comparison.key })
    }
  }
  const written = new Set<string>()
  for (const key of [...puts.map((put) => put.key), ...deletes]) {
    checkKey(key)
    if (written.has(key)) throw storeRequestInvalid({ problem: 'a commit writes each key once', key })
    written.add(key)
    bytes += key.length
  }
  for (const { key, value } of puts) bytes += checkValue(key, value)
  if (operations > COMMIT_OPERATIONS_MAX || bytes > COMMIT_BYTES_MAX) {
    throw storeCommitTooLarge({ operations, operationsMax: COMMIT_OPERATIONS_MAX, bytes, bytesMax: COMMIT_BYTES_MAX })
  }
  return { compare, puts, deletes }
}

export function checkKey(key: string): void {
  if (key.length > KEY_BYTES_MAX) throw storeRequestInvalid({ problem: `a key has at most ${KEY_BYTES_MAX} bytes`, key: key.slice(0, 100) })
  if (!KEY_PATTERN.test(key)) throw storeRequestInvalid({ problem: 'a key is printable ASCII without spaces, and not empty', key })
}

export function checkList(prefix: string, { limit, after }: ListOptions): void {
  checkPrefix(prefix)
  if (after !== undefined) checkKey(after)
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX) throw storeRequestInvalid({ problem: `limit is 1 to ${LIST_LIMIT_MAX}` })
}

/** The empty prefix means everything. */
export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkKey(prefix)
}

function checkValue(key: string, value: string): number {
  // A lone surrogate has no UTF-8 form: it would come back as another text.
  if (!value.isWellFormed()) throw storeRequestInvalid({ problem: 'a value is well-formed Unicode', key })
  const bytes = Buffer.byteLength(value)
  if (bytes > VALUE_BYTES_MAX) throw storeValueTooLarge({ key, bytes, bytesMax: VALUE_BYTES_MAX })
  return bytes
}

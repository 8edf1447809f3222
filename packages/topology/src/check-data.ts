import type { Spaces } from './check-spaces.ts'
import type { DataConfig, MysqlData, RedisData, SpaceConfig } from './config.ts'
import { patternsOverlap } from './glob-overlap.ts'
import type { SpaceId } from './ids.ts'
import { type At, checkObject, child, describe, isAbsent, items, oneOf, problem, reference, textOf } from './report.ts'

const ENTRIES_MAX = 2000
const KEY_PLACE = '{key}'

export function checkData(at: At, spaces: Spaces): DataConfig {
  if (isAbsent(at) || !checkObject(at, ['mysql', 'redis'])) return { mysql: [], redis: [] }
  return { mysql: checkMysql(child(at, 'mysql'), spaces), redis: checkRedis(child(at, 'redis'), spaces) }
}

/** What an entry belongs to: a space, `local`, or undefined after a problem. */
type Belongs = { readonly kind: 'local' } | { readonly kind: 'space'; readonly name: SpaceId; readonly space: SpaceConfig | undefined }

function belongs(at: At, spaces: Spaces): Belongs | undefined {
  const [spaceAt, classAt] = [child(at, 'space'), child(at, 'class')]
  if (isAbsent(spaceAt) === isAbsent(classAt)) {
    return problem(at, isAbsent(spaceAt) ? 'it belongs to no space' : 'it has a space and a class', 'Write space: name, or class: local.')
  }
  if (!isAbsent(classAt)) return oneOf(classAt, ['local']) === undefined ? undefined : { kind: 'local' }
  const name = reference(spaceAt, 'space', spaces.keys()) as SpaceId | undefined
  return name === undefined ? undefined : { kind: 'space', name, space: spaces.get(name) }
}

function checkMysql(at: At, spaces: Spaces): readonly MysqlData[] {
  const seen = new Map<string, string>()
  return bounded(at).flatMap((item): readonly MysqlData[] => {
    if (!checkObject(item, ['table', 'space', 'column', 'class'])) return []
    const tableAt = child(item, 'table')
    const table = textOf(tableAt)
    if (table !== undefined) {
      if (!/^[^.\s`]{1,64}\.[^.\s`]{1,64}$/.test(table))
        problem(tableAt, `${describe(table)} is not schema.table`, 'Write the schema and the table: shop.orders.')
      const other = seen.get(table)
      if (other !== undefined) problem(tableAt, `${other} declares ${table} too`, 'Declare each table once.')
      seen.set(table, item.path)
    }
    const owner = belongs(item, spaces)
    if (table === undefined || owner === undefined) return []
    const columnAt = child(item, 'column')
    if (owner.kind === 'local') {
      if (!isAbsent(columnAt)) problem(columnAt, 'local data has no routing key', 'Remove it.')
      return [{ kind: 'local', table }]
    }
    return [{ kind: 'space', table, space: owner.name, ...checkColumn(columnAt, owner.space) }]
  })
}

function checkColumn(at: At, space: SpaceConfig | undefined): { readonly column?: string } {
  if (space === undefined) return {}
  if (space.kind === 'single') {
    if (!isAbsent(at)) problem(at, 'a single space has no routing key', 'Remove it.')
    return {}
  }
  if (isAbsent(at)) problem(at, 'it is missing', 'Name the column that holds the routing key.')
  const column = isAbsent(at) ? undefined : textOf(at)
  return column === undefined ? {} : { column }
}

function checkRedis(at: At, spaces: Spaces): readonly RedisData[] {
  const read = bounded(at).flatMap((item) => {
    if (!checkObject(item, ['key', 'space', 'class'])) return []
    const keyAt = child(item, 'key')
    const key = textOf(keyAt)
    const owner = belongs(item, spaces)
    if (key === undefined || owner === undefined) return []
    const places = key.split(KEY_PLACE).length - 1
    const keyed = owner.kind === 'space' && owner.space !== undefined && owner.space.kind !== 'single'
    if (keyed && places !== 1) problem(keyAt, `it has ${places} times {key}`, 'Put {key} once where the routing key is: "user:{key}:*".')
    if (owner.kind === 'local' && places > 0) problem(keyAt, 'local data has no routing key', 'Write * instead of {key}.')
    if (owner.kind === 'space' && owner.space?.kind === 'single' && places > 0)
      problem(keyAt, 'a single space has no routing key', 'Write * instead of {key}.')
    const data: RedisData = owner.kind === 'local' ? { kind: 'local', key } : { kind: 'space', key, space: owner.name }
    return [{ at: keyAt, data }]
  })
  checkOverlaps(read)
  return read.map(({ data }) => data)
}

/** A key that two patterns match would have two owners. */
function checkOverlaps(all: readonly { readonly at: At; readonly data: RedisData }[]): void {
  for (const [index, { at, data }] of all.entries()) {
    const other = all.slice(0, index).find((earlier) => patternsOverlap(globOf(earlier.data.key), globOf(data.key)))
    if (other !== undefined)
      problem(
        at,
        `some keys match both ${describe(data.key)} and ${describe(other.data.key)} (${other.at.path})`,
        'Make the patterns disjoint; every key is in exactly one class.'
      )
  }
}

function globOf(pattern: string): string {
  return pattern.replaceAll(KEY_PLACE, '*')
}

function bounded(at: At): readonly At[] {
  const all = items(at)
  if (all.length > ENTRIES_MAX) problem(at, `there are ${all.length} entries`, `Use at most ${ENTRIES_MAX}; patterns and views help.`)
  return all.slice(0, ENTRIES_MAX)
}

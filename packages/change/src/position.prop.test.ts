import fc from 'fast-check'
import t from 'tap'
import type { MysqlPosition, Position } from './position.ts'
import { advancePosition, comparePositions, formatPosition, parsePosition, positionIncludes, unionPositions } from './position.ts'
import { mariadbPosition, mysqlPosition, redisPosition } from './testing.ts'

const MIRROR: Readonly<Record<string, string>> = {
  before: 'after',
  after: 'before',
  equal: 'equal',
  concurrent: 'concurrent',
  incomparable: 'incomparable'
}

function holds(name: string, property: fc.IProperty<unknown>): void {
  t.test(name, async (t) => {
    const result = await fc.check(property, { numRuns: 2000, interruptAfterTimeLimit: 4000, markInterruptAsFailure: false })
    t.notOk(result.failed, fc.defaultReportMessage(result) ?? `seed ${result.seed}, ${result.numRuns} runs`)
    t.ok(result.numRuns >= 50, `${result.numRuns} runs`)
  })
}

/** The slow and obvious twin: every transaction by name. */
function members({ sets }: MysqlPosition): Set<string> {
  const found = new Set<string>()
  for (const { uuid, tag, intervals } of sets) {
    for (const { first, last } of intervals) for (let number = first; number <= last; number += 1n) found.add(`${uuid}:${tag}:${number}`)
  }
  return found
}

function orderOfSets(left: Set<string>, right: Set<string>): string {
  if (left.isSubsetOf(right)) return right.isSubsetOf(left) ? 'equal' : 'before'
  return right.isSubsetOf(left) ? 'after' : 'concurrent'
}

holds(
  'GTID sets are sets',
  fc.property(mysqlPosition, mysqlPosition, (left, right) => {
    const [one, other] = [members(left), members(right)]
    if (comparePositions(left, right) !== orderOfSets(one, other)) return false
    const union = unionPositions(left, right)
    if (union.kind !== 'mysql' || members(union).symmetricDifference(one.union(other)).size > 0) return false
    return [...one.union(other)].every((name) => {
      const [uuid = '', tag = '', number = '0'] = name.split(':')
      return positionIncludes(left, { kind: 'mysql-gtid', uuid, tag, number: BigInt(number) }) === one.has(name)
    })
  })
)

const anyPosition: fc.Arbitrary<Position> = fc.oneof(mysqlPosition, mariadbPosition, redisPosition)

holds(
  'adding transactions one by one makes their set',
  fc.property(mysqlPosition, mysqlPosition, (start, more) => {
    let position: Position = start
    for (const name of members(more)) {
      const [uuid = '', tag = '', number = '0'] = name.split(':')
      position = advancePosition(position, { kind: 'mysql-gtid', uuid, tag, number: BigInt(number) })
    }
    return formatPosition(position) === formatPosition(unionPositions(start, more))
  })
)

holds(
  'format and parse are each other’s inverse',
  fc.property(anyPosition, (position) => {
    const text = formatPosition(position)
    const again = parsePosition(position.kind, text)
    return formatPosition(again) === text && comparePositions(again, position) === 'equal'
  })
)

holds(
  'order is the same from both sides, and nothing is between a position and itself',
  fc.property(anyPosition, anyPosition, (left, right) => {
    const there = comparePositions(left, right)
    return comparePositions(right, left) === MIRROR[there] && comparePositions(left, left) === 'equal'
  })
)

for (const [name, one] of [
  ['mysql', mysqlPosition],
  ['mariadb', mariadbPosition],
  ['redis', redisPosition]
] as const) {
  holds(
    `${name}: before is transitive, and a union is not before its parts`,
    fc.property(one as fc.Arbitrary<Position>, one as fc.Arbitrary<Position>, one as fc.Arbitrary<Position>, (a, b, c) => {
      const order = (left: Position, right: Position): string => comparePositions(left, right)
      if (order(a, b) === 'before' && order(b, c) === 'before' && order(a, c) !== 'before') return false
      if (order(a, b) === 'incomparable') return true
      const union = unionPositions(a, b)
      return (
        ['equal', 'after'].includes(order(union, a)) && ['equal', 'after'].includes(order(union, b)) && order(union, unionPositions(b, a)) === 'equal'
      )
    })
  )
}

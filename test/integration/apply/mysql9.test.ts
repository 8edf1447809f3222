import t from 'tap'
import { mysql9Skip, startMysql9 } from '../mysql9.ts'
import { testConflicts } from './conflicts.ts'
import { type Target, targetOf } from './fixture.ts'
import { testLanes } from './lanes.ts'

t.setTimeout(1_200_000)
const skip = await mysql9Skip()

async function startTarget(): Promise<Target> {
  const server = await startMysql9()
  const { host, port, user, password } = server
  return targetOf({ host, port, user, password }, async () => server[Symbol.asyncDispose]())
}

t.test('both lanes with a target of MySQL 9', { skip }, async (t) => {
  const target = await startTarget()
  t.teardown(() => target[Symbol.asyncDispose]())
  testLanes(t, target)
})

t.test('conflicts with a target of MySQL 9', { skip }, async (t) => {
  const target = await startTarget()
  t.teardown(() => target[Symbol.asyncDispose]())
  await testConflicts(t, target)
})

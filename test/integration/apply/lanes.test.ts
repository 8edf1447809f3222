import t from 'tap'
import { startTarget } from './fixture.ts'
import { testLanes } from './lanes.ts'

const target = await startTarget()
t.teardown(() => target[Symbol.asyncDispose]())
testLanes(t, target)

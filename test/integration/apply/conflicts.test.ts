import t from 'tap'
import { testConflicts } from './conflicts.ts'
import { startTarget } from './fixture.ts'

const target = await startTarget()
t.teardown(() => target[Symbol.asyncDispose]())
await testConflicts(t, target)

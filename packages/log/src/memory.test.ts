import t from 'tap'
import { testLogContract } from './contract.ts'
import { createMemoryLog } from './memory.ts'

await testLogContract(t, { name: 'memory', open: async (options) => createMemoryLog(options) })

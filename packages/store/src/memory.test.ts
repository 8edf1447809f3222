import t from 'tap'
import { testStoreContract } from './contract.ts'
import { createMemoryStore } from './memory.ts'

await testStoreContract(t, { name: 'memory', open: async (options) => createMemoryStore(options) })

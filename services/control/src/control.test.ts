import { CellwayError } from '@cellway/base'
import { createMemoryStore, type Store } from '@cellway/store'
import t from 'tap'
import { codeOf, EXAMPLE_TOPOLOGY, startTestControl } from './testing.ts'

const failed = (): CellwayError =>
  new CellwayError({ code: 'STORE_FAILED', message: 'disk', statusCode: 503, origin: 'operator', retry: 'after-change' }, { file: 'x' })

t.test('live only says that the process answers; ready without a topology too', async (t) => {
  await using test = await startTestControl()
  t.match(await test.call('GET', '/health/live', { token: null }), { status: 200, body: { status: 'ok' } })
  t.match(await test.call('GET', '/health/ready', { token: null }), { status: 200, body: { ready: true } })
})

t.test('a store that fails ends the process and is shown until then', async (t) => {
  const memory = createMemoryStore()
  let broken = false
  const store: Store = {
    ...memory,
    commit: async (request) => {
      if (broken) throw failed()
      return memory.commit(request)
    }
  }
  await using test = await startTestControl({ store })
  await test.apply(EXAMPLE_TOPOLOGY, 0)
  broken = true
  t.equal(codeOf(await test.apply(EXAMPLE_TOPOLOGY.replace('weight: 2', 'weight: 3'), 1)), 'STORE_FAILED')
  await t.rejects(test.control.failed, { code: 'STORE_FAILED' })
  t.match(await test.call('GET', '/health/ready', { token: null }), { status: 503, body: { ready: false, reason: /store/ } })
  t.equal((await test.call('GET', '/health/live', { token: null })).status, 200)
})

t.test('a store that can no longer be followed ends the process', async (t) => {
  const memory = createMemoryStore()
  await using test = await startTestControl({ store: memory })
  await Promise.all([memory[Symbol.asyncDispose](), t.rejects(test.control.failed, { code: 'STORE_CLOSED' })])
})

t.test('stored state that is not ours stops the start', async (t) => {
  const store = createMemoryStore()
  await store.commit({ puts: [{ key: 'tokens/x', value: '{"id":"x","role":"emperor","hash":"0"}' }] })
  await t.rejects(startTestControl({ store }), { code: 'CTL_STATE_UNREADABLE', details: { key: 'tokens/x' } })
})

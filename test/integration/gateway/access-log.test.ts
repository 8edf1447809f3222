import t from 'tap'
import { startWorld, userAt } from './fixture.ts'
import { until } from './until.ts'

const REQUESTS = 100

interface Line {
  readonly level: string
  readonly service: string
  readonly msg: string
  readonly path?: string
  readonly status?: number
  readonly code?: string
  readonly requestId?: string
}

t.test('two workers: one whole line per request, and a drain loses none', async (t) => {
  await using world = await startWorld({ cells: ['beijing'], config: { accessLog: 'all' }, cellConfig: { beijing: { workers: 2 } } })
  const beijing = world.first
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, (_, at) =>
      beijing.send(at % 10 === 0 ? `/nowhere/${at}` : `/users/me?secret=${at}`, {
        headers: { ...userAt('beijing'), 'x-request-id': `request-${at}` }
      })
    )
  )
  beijing.gateway.kill('SIGTERM')
  await until('the gateway has ended', async () => beijing.gateway.exit() !== undefined)
  t.equal(beijing.gateway.exit(), 0)
  const output = beijing.gateway.output()
  const lines = output
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line))
  const requests = lines.filter((line) => line.msg === 'request')
  t.equal(requests.length, REQUESTS)
  t.equal(new Set(requests.map((line) => line.requestId)).size, REQUESTS)
  t.same(requests.map((line) => line.status).sort(), answers.map((answer) => answer.status).sort())
  for (const line of requests) {
    if (line.code === 'TOPO_NO_ROUTE') t.match(line.path, /^\/nowhere\//)
    else
      t.match(line, {
        level: 'info',
        service: 'gateway',
        cell: 'beijing',
        path: '/users/me',
        route: 'users',
        verdict: 'local',
        servedBy: 'beijing',
        status: 200
      })
  }
  t.notMatch(output, /secret=/, 'queries may hold what is nobody else’s business')
})

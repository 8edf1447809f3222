import t from 'tap'
import { clientsOf, makeCenterProcess } from './center-process.ts'
import { startLoad } from './load.ts'

t.setTimeout(240_000)

const CELLS = ['beijing', 'shanghai', 'shenzhen']
const ROUNDS_MIN = 4
const ROUNDS_MAX = 12
const BUDGET_MS = 12_000
const MORE_MAX = 600

t.test('kill -9 of the center under load: everything acknowledged is read once and in order by everybody', { timeout: 180_000 }, async (t) => {
  await using center = await makeCenterProcess({ folder: t.testdir({}), config: { limits: { segmentBytes: 1_000_000 } } })
  await center.start()
  await using clients = clientsOf(CELLS, () => center.url)
  const load = startLoad({ cells: CELLS, clientOf: clients.of, inFlight: 8, recordBytesMax: 60_000 })
  const startedMs = performance.now()
  let rounds = 0
  while (rounds < ROUNDS_MIN || (rounds < ROUNDS_MAX && performance.now() - startedMs < BUDGET_MS)) {
    // Counted in records, so that each kill lands in work on a busy machine too.
    await load.more(20 + Math.floor(Math.random() * MORE_MAX))
    await center.kill()
    rounds += 1
    await center.start()
  }
  await load.more(100)
  const { problems, acknowledged, read, twice } = await load.finish()
  t.comment(`${rounds} kills, ${acknowledged} acknowledged, ${read} read by ${CELLS.length} readers, ${twice} brought twice`)
  t.same(problems, [])
  const lost = load.refusals.get('LOG_NOT_DURABLE') ?? 0
  t.ok(lost >= rounds, `${lost} appends whose answer was lost: the kills landed`)
  t.same([...load.refusals.keys()], ['LOG_NOT_DURABLE'], 'and nothing else was refused')
})

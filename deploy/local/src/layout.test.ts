import t from 'tap'
import { BASE_PORT_MAX, CELLS_MAX, layoutOf, portsOf } from './layout.ts'

const SHAPE = { root: '/repo/.cellway', basePort: 7000, cellCount: 3, appsPerCell: 2 }

t.test('ports are where the documentation says', async (t) => {
  const layout = layoutOf(SHAPE)
  t.same(layout.control, { port: 7000, metricsPort: 7001, folder: '/repo/.cellway/run-7000/control' })
  t.same(layout.center, { port: 7010, metricsPort: 7011, folder: '/repo/.cellway/run-7000/center' })
  t.same(
    layout.cells.map(({ name, number, ports }) => ({ name, number, ...ports })),
    [
      { name: 'beijing', number: 0, gateway: 7100, gatewayAdmin: 7101, apps: [7102, 7103], mysql: 7106, redis: 7107, replicatorAdmin: 7108 },
      { name: 'shanghai', number: 1, gateway: 7200, gatewayAdmin: 7201, apps: [7202, 7203], mysql: 7206, redis: 7207, replicatorAdmin: 7208 },
      { name: 'shenzhen', number: 2, gateway: 7300, gatewayAdmin: 7301, apps: [7302, 7303], mysql: 7306, redis: 7307, replicatorAdmin: 7308 }
    ]
  )
})

t.test('the largest run uses no port twice and none beyond the last', async (t) => {
  const ports = portsOf(layoutOf({ ...SHAPE, basePort: BASE_PORT_MAX, cellCount: CELLS_MAX, appsPerCell: 4 })).map(({ port }) => port)
  t.equal(new Set(ports).size, ports.length)
  t.ok(Math.max(...ports) <= 65_535)
})

t.test('a shape out of range is refused with the range', async (t) => {
  for (const [option, shape] of [
    ['--base-port', { ...SHAPE, basePort: 80 }],
    ['--base-port', { ...SHAPE, basePort: 65_000 }],
    ['--cells', { ...SHAPE, cellCount: CELLS_MAX + 1 }],
    ['--apps', { ...SHAPE, appsPerCell: 5 }]
  ] as const) {
    t.throws(() => layoutOf(shape), { code: 'LOCAL_OPTION_INVALID', details: { problem: new RegExp(`^${option} `), fix: /from \d+ to \d+/ } }, option)
  }
})

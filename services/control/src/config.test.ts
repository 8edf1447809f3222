import path from 'node:path'
import t from 'tap'
import { parseConfig } from './config.ts'

t.test('defaults: loopback, 7000, metrics beside it', async (t) => {
  t.same(parseConfig({ PATH: '/bin' }), {
    host: '127.0.0.1',
    port: 7000,
    metricsPort: 7001,
    dataFolder: path.resolve('.cellway/control'),
    adminTokenFile: undefined,
    logLevel: 'info'
  })
  t.match(parseConfig({ CELLWAY_CONTROL_PORT: '0', CELLWAY_LOG_LEVEL: '' }), { port: 0, metricsPort: 0, logLevel: 'info' })
  t.ok(Object.isFrozen(parseConfig({})))
})

t.test('every problem at once', async (t) => {
  const wrong = { CELLWAY_CONTROL_PORT: '70000', CELLWAY_CONTROL_METRICS_PORT: 'x', CELLWAY_LOG_LEVEL: 'loud', CELLWAY_CONTROL_DATE: '/x' }
  try {
    parseConfig(wrong)
    t.fail('taken')
  } catch (error) {
    const { code, details } = error as { code: string; details: { problems: { path: string }[] } }
    t.equal(code, 'CTL_CONFIG_INVALID')
    t.same(details.problems.map((problem) => problem.path).sort(), Object.keys(wrong).sort())
  }
  t.throws(() => parseConfig({ CELLWAY_CONTROL_PORT: '65535' }), { code: 'CTL_CONFIG_INVALID' }, 'no port left for metrics')
  t.throws(() => parseConfig({ CELLWAY_CONTROL_PORT: '7000', CELLWAY_CONTROL_METRICS_PORT: '7000' }), { code: 'CTL_CONFIG_INVALID' })
})

import t from 'tap'
import { parseOptions } from './options.ts'

t.test('defaults are the ones of the help text', async (t) => {
  t.match(parseOptions(['start']), {
    command: 'start',
    basePort: 7000,
    basePortGiven: false,
    cellCount: 3,
    appsPerCell: 2,
    workers: 1,
    detach: false,
    smoke: false,
    fresh: false,
    root: /\/\.cellway$/
  })
  t.match(parseOptions(['stop', '--base-port', '9000']), { command: 'stop', basePort: 9000, basePortGiven: true })
  t.match(parseOptions(['down', 'control', 'beijing/app-1']), { command: 'down', names: ['control', 'beijing/app-1'] })
  t.match(parseOptions(['start', '--help']), { command: 'help' })
  t.match(parseOptions([]), { command: 'help' })
})

t.test('what cannot be meant is refused', async (t) => {
  for (const argv of [
    ['begin'],
    ['start', '--prot', '7000'],
    ['start', '--base-port', 'seven'],
    ['start', '--base-port', '07000'],
    ['start', '--cells', '-1'],
    ['start', '--smoke', '--detach'],
    ['stop', 'control']
  ]) {
    t.throws(() => parseOptions(argv), { code: 'LOCAL_OPTION_INVALID' }, argv.join(' '))
  }
})

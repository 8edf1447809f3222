import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { optionInvalid } from './errors.ts'
import { APPS_DEFAULT, APPS_MAX, BASE_PORT_DEFAULT, CELLS_DEFAULT, CELLS_MAX } from './layout.ts'

export interface Options {
  readonly command: 'start' | 'stop' | 'status' | 'down' | 'up' | 'help'
  /** Processes for `down` and `up`. */
  readonly names: readonly string[]
  /** The folder of all runs of this clone. */
  readonly root: string
  readonly basePort: number
  /** Whether `--base-port` was given: without it `stop` and `status` may choose the only run there is. */
  readonly basePortGiven: boolean
  readonly cellCount: number
  readonly appsPerCell: number
  readonly workers: number
  readonly detach: boolean
  readonly smoke: boolean
  readonly fresh: boolean
  /** Started by `--detach`: tells its parent over IPC how it goes. */
  readonly supervised: boolean
}

const COMMANDS = ['start', 'stop', 'status', 'down', 'up', 'help'] as const
const WORKERS_MAX = 64

export const HELP = `Cellway on one machine: real cells, each with MariaDB, Redis, a demo application and a gateway.

  npm start                          start and stay until Ctrl-C
  npm start -- --smoke               start, walk through the main story, stop; exit code 0 or 1
  npm start -- --detach              start in the background
  npm run stop                       stop what --detach (or another terminal) started

Options of start
  --base-port N     first port; control N, cell k: gateway N+100k, its admin +1, app instances +2…,
                    MySQL +6, Redis +7, replicator +8; center N+10                  (default ${BASE_PORT_DEFAULT})
  --cells N         how many cells, 1 to ${CELLS_MAX}                                              (default ${CELLS_DEFAULT})
  --apps N          instances of the application per cell, 1 to ${APPS_MAX}                     (default ${APPS_DEFAULT})
  --workers N       worker processes per gateway                                    (default 1)
  --fresh           forget the data of the last run on this base port
  --dir FOLDER      where everything lives                                          (default .cellway)

Other commands: node deploy/bootstrap.mjs deploy/local/src/main.ts COMMAND [--base-port N]
  stop              stop the run
  status            what runs where, with pids
  down NAME…        stop processes and keep them down (control, beijing/gateway, beijing/app-1, …)
  up NAME…          let them run again

Each run has its own folder .cellway/run-<base port>/ with data, logs, secrets, topology.yaml and local.json (every
endpoint and credential, for scripts). .cellway/local.json is a copy of the one of the default run, or of the only one.
`

/** @throws LOCAL_OPTION_INVALID */
export function parseOptions(argv: readonly string[]): Options {
  const { values, positionals } = parse(argv)
  const [name = 'help', ...names] = positionals
  const command = COMMANDS.find((known) => known === name)
  if (command === undefined) throw optionInvalid({ problem: `there is no command ${name}`, fix: `one of ${COMMANDS.join(', ')}` })
  if (names.length > 0 && command !== 'down' && command !== 'up') throw optionInvalid({ problem: `${command} takes no name`, fix: 'see --help' })
  if (values.smoke && values.detach) throw optionInvalid({ problem: '--smoke and --detach exclude each other', fix: 'leave one of them out' })
  return {
    command: values.help ? 'help' : command,
    names,
    root: resolve(values.dir),
    basePort: number('--base-port', values['base-port'], BASE_PORT_DEFAULT),
    basePortGiven: values['base-port'] !== undefined,
    cellCount: number('--cells', values.cells, CELLS_DEFAULT),
    appsPerCell: number('--apps', values.apps, APPS_DEFAULT),
    workers: Math.min(number('--workers', values.workers, 1), WORKERS_MAX),
    detach: values.detach,
    smoke: values.smoke,
    fresh: values.fresh,
    supervised: values.supervised
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        'base-port': { type: 'string' },
        cells: { type: 'string' },
        apps: { type: 'string' },
        workers: { type: 'string' },
        dir: { type: 'string', default: '.cellway' },
        detach: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        fresh: { type: 'boolean', default: false },
        supervised: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false }
      }
    })
  } catch (cause) {
    throw optionInvalid({ problem: cause instanceof Error ? cause.message : String(cause), fix: 'see npm start -- --help' }, { cause })
  }
}

function number(option: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw optionInvalid({ problem: `${option} ${text}`, fix: 'give a whole number' })
}

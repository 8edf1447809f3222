/** `--detach`: the supervisor goes on in the background, the command returns when everything is ready. */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Output } from './console.ts'
import { filesOf, layoutOf } from './layout.ts'
import type { Options } from './options.ts'

type Message = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'ready' }

const COLOR_VARIABLE = 'CELLWAY_LOCAL_COLOR'

/** Prints what the background process reports; returns its fate. */
export async function detach(options: Options, output: Output): Promise<number> {
  const layout = layoutOf(options)
  const files = filesOf(layout)
  mkdirSync(files.logs, { recursive: true })
  const log = openSync(files.supervisorLog, 'a')
  const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url)), ...startArguments(options)], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...process.env, [COLOR_VARIABLE]: output.color ? '1' : '' }
  })
  closeSync(log)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  const ready = await new Promise<boolean>((resolve) => {
    child.on('message', (message: Message) => (message.kind === 'ready' ? resolve(true) : output.write(message.text)))
    child.once('error', () => resolve(false))
    child.once('exit', () => resolve(false))
  })
  if (!ready) return 1
  child.disconnect()
  child.unref()
  return 0
}

/** In the background process: everything goes to its log, and to the parent as long as it listens. */
export function parentOutput(): Output {
  process.on('disconnect', () => {})
  return {
    write(text) {
      process.stdout.write(text)
      void tell({ kind: 'text', text })
    },
    color: process.env[COLOR_VARIABLE] === '1',
    live: false
  }
}

export async function tellReady(): Promise<void> {
  await tell({ kind: 'ready' })
}

function tell(message: Message): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve()
    process.send(message, undefined, undefined, () => resolve())
  })
}

function startArguments(options: Options): string[] {
  const { basePort, cellCount, appsPerCell, workers, root, fresh } = options
  const numbers = ['--base-port', basePort, '--cells', cellCount, '--apps', appsPerCell, '--workers', workers].map(String)
  return ['start', '--supervised', ...numbers, '--dir', root, ...(fresh ? ['--fresh'] : [])]
}

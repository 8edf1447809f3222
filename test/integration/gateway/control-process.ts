import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ControlClient, createControlClient } from '@cellway/client'
import { claimPort } from './ports.ts'
import { until } from './until.ts'

const MAIN = fileURLToPath(new URL('../../../services/control/src/main.ts', import.meta.url))
const START_MS = 60_000

export interface ControlProcess extends AsyncDisposable {
  readonly url: string
  readonly client: ControlClient
  start(): Promise<void>
  /** As a power cut would: no goodbye. */
  kill(): Promise<void>
}

/** A real control plane on a folder of its own; `start` after `kill` goes on with the same data and port. */
export async function startControl(folder: string): Promise<ControlProcess> {
  const port = await claimPort()
  const url = `http://127.0.0.1:${port}`
  const tokenFile = join(folder, 'admin.token')
  const env = {
    ...process.env,
    CELLWAY_CONTROL_PORT: String(port),
    CELLWAY_CONTROL_METRICS_PORT: '0',
    CELLWAY_CONTROL_DATA: join(folder, 'control'),
    CELLWAY_CONTROL_ADMIN_TOKEN_FILE: tokenFile
  }
  let child: ChildProcess | undefined
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const exited = new Promise<void>((resolve) => running.once('exit', () => resolve()))
    running.kill(signal)
    await exited
  }
  const start = async (): Promise<void> => {
    const started = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    child = started
    let output = ''
    const keep = (piece: Buffer): void => {
      output = (output + piece.toString('utf8')).slice(-16_384)
    }
    started.stdout.on('data', keep)
    started.stderr.on('data', keep)
    await until(
      'control listens',
      () => {
        if (started.exitCode !== null) throw new Error(`control ended with ${started.exitCode}:\n${output}`)
        return output.includes('"control listening"')
      },
      START_MS
    )
  }
  await start()
  const client = createControlClient({ urls: [url], token: (await readFile(tokenFile, 'utf8')).trim() })
  return {
    url,
    client,
    start,
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: async () => {
      await client.close()
      await end('SIGTERM')
    }
  }
}

/** A process that opens as many centers as it is told, one after the other: for tests that need dozens of empty ones. */
import { createLogger } from '@cellway/telemetry'
import { type Center, startCenter } from '../../../services/center/src/center.ts'
import { checkCenterConfig } from '../../../services/center/src/config.ts'

const centers = new Map<string, Center>()
const logger = createLogger({ service: 'center', level: 'silent' })

process.on('message', ({ open, close }: { readonly open?: unknown; readonly close?: string }) => {
  const work = close === undefined ? start(open) : stop(close)
  work.then(
    (answer) => process.send?.(answer),
    (cause: unknown) => process.send?.({ error: String(cause) })
  )
})
process.on('disconnect', () => process.exit())

async function start(config: unknown): Promise<object> {
  const center = await startCenter({ config: checkCenterConfig(config), logger, environment: process.env })
  centers.set(center.url, center)
  return { url: center.url }
}

async function stop(url: string): Promise<object> {
  await centers.get(url)?.[Symbol.asyncDispose]()
  centers.delete(url)
  return {}
}

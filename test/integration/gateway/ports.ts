import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the range from which outgoing connections take theirs, so that none of those can have it when the gateway listens. */
const FIRST = 26_000
const COUNT = 1_000
/** Test files that run at the same time search from different places: a gateway shares its port with whoever wants it (`reusePort`). */
const PORTS_PER_PROCESS = 25

let next = (process.pid * PORTS_PER_PROCESS) % COUNT

/** A port that nobody listens on, given to nobody else in this process. */
export async function claimPort(): Promise<number> {
  for (let tried = 0; tried < COUNT; tried++) {
    const port = FIRST + next
    next = (next + 1) % COUNT
    if (await isFree(port)) return port
  }
  throw new Error(`no port is free from ${FIRST} to ${FIRST + COUNT - 1}`)
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  try {
    probe.listen({ port, host: '127.0.0.1', exclusive: true })
    await once(probe, 'listening')
    probe.close()
    await once(probe, 'close')
    return true
  } catch {
    return false
  }
}

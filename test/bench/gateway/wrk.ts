import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CONNECTIONS, LOAD_CORE } from './proxies.ts'
import { routedPath } from './routed-cell.ts'

const run = promisify(execFile)

/** Different requests in rotation: enough that no proxy lives on one hot key, few enough to prepare before the clock starts. */
export const USERS = 5_000

export interface WrkRound {
  readonly requests: number
  readonly seconds: number
}

export function userOf(index: number): string {
  return String(700_000_000 + index * 7)
}

/** Prepares the requests once per thread, so that the load costs its core as little as it can. @returns the script's file. */
export async function writeWrkScript(folder: string): Promise<string> {
  const file = join(folder, 'users.lua')
  const requests = Array.from({ length: USERS }, (_, index) => `add("${routedPath(index)}", "${userOf(index)}")`)
  await writeFile(
    file,
    `local requests, at = {}, 0
local function add(path, user)
  requests[#requests + 1] = { path, user }
end
${requests.join('\n')}
function init()
  for i, request in ipairs(requests) do
    requests[i] = wrk.format("GET", request[1], { ["x-user-id"] = request[2], ["accept"] = "application/json", ["user-agent"] = "wrk" })
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary)
  local e = summary.errors
  print(string.format('RESULT {"requests":%d,"us":%d,"failed":%d}', summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
`
  )
  return file
}

/** One closed-loop round. @throws Error when a single request failed or was answered with an error. */
export async function runWrk(script: string, port: number, seconds: number): Promise<WrkRound> {
  const args = [
    '-c',
    String(LOAD_CORE),
    'wrk',
    '-t1',
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    script,
    `http://127.0.0.1:${port}`
  ]
  const { stdout } = await run('taskset', args, { timeout: seconds * 1000 + 30_000 })
  const line = /^RESULT (.*)$/m.exec(stdout)?.[1]
  if (line === undefined) throw new Error(`wrk gave no result: ${stdout}`)
  const { requests, us, failed } = JSON.parse(line) as { requests: number; us: number; failed: number }
  if (failed > 0) throw new Error(`${failed} of ${requests} requests failed on port ${port}: ${stdout}`)
  return { requests, seconds: us / 1_000_000 }
}

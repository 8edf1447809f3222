/** A small app instance as a process of its own, so that it can be killed: PORT LOG. Every request id is on disk before its answer leaves. */
import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'

/** Long enough that requests are in flight at whatever moment somebody kills the process. */
const ANSWER_MS = { GET: 3, POST: 20 }

const [port, logFile = ''] = process.argv.slice(2)
const log = openSync(logFile, 'a')
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const id = String(request.headers['x-test-id'] ?? '')
  if (id !== '') writeSync(log, `${request.method} ${id}\n`)
  request.resume()
  request.once('end', () => {
    const body = JSON.stringify({ pid: process.pid, id, bucket: request.headers['x-cellway-bucket'], requestId: request.headers['x-request-id'] })
    const answer = (): void => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
      response.end(body)
    }
    if (request.url === '/health') answer()
    else setTimeout(answer, request.method === 'POST' ? ANSWER_MS.POST : ANSWER_MS.GET)
  })
})
server.listen({ host: '127.0.0.1', port: Number(port), backlog: 1024 })
process.once('SIGTERM', () => process.exit(0))

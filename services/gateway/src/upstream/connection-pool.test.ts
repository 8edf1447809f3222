import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { ConnectionPool } from './connection-pool.ts'

/** More than the ten listeners of one kind that node lets pass without a warning. */
const BODIES = 30

t.test('streamed bodies leave nothing behind on the connection that carries them all', async (t) => {
  const warnings: string[] = []
  const onWarning = ({ name }: Error): void => {
    warnings.push(name)
  }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  let connections = 0
  const server = createServer((request, response) => request.pipe(response)).on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const pool = new ConnectionPool({
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cell: 'a',
    connectionsMax: 1,
    waitingMax: 1,
    connectTimeoutMs: 5_000,
    idleTimeoutMs: 5_000,
    headerBytesMax: 16_384
  })
  t.teardown(() => {
    pool.destroy()
    server.close()
  })
  for (let at = 0; at < BODIES; at++) t.equal(await echoed(pool, `body ${at}`), `body ${at}`)
  t.equal(connections, 1, 'all on one connection')
  await new Promise((resolve) => setImmediate(resolve))
  t.same(warnings, [])
})

function echoed(pool: ConnectionPool, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let answer = ''
  pool.dispatch(
    {
      method: 'POST',
      head: 'POST / HTTP/1.1\r\nhost: a\r\n',
      body: Readable.from([Buffer.from(text)]),
      contentLength: undefined,
      answerTimeoutMs: 5_000,
      bodyIdleTimeoutMs: 5_000,
      expectsUpgrade: false
    },
    {
      onSent: () => undefined,
      onWhole: (_head, body) => resolve(body.toString()),
      onHead: () => undefined,
      onData: (chunk) => {
        answer += chunk.toString()
      },
      onEnd: () => resolve(answer),
      onUpgrade: () => reject(new Error('not asked for')),
      onError: reject
    }
  )
  return promise
}

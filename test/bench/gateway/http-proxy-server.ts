/** The peer that a Node.js user would reach for: Fastify with `@fastify/http-proxy`. Started by the benchmark: PORT UPSTREAM CONNECTIONS. */
import httpProxy from '@fastify/http-proxy'
import { fastify } from 'fastify'

const [port, upstream = '', connections] = process.argv.slice(2)
const server = fastify({ logger: false, keepAliveTimeout: 300_000 })
await server.register(httpProxy, { upstream, undici: { connections: Number(connections), pipelining: 1, keepAliveTimeout: 60_000 } })
await server.listen({ host: '127.0.0.1', port: Number(port), backlog: 1024 })
process.once('SIGTERM', () => process.exit(0))

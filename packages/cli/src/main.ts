#!/usr/bin/env node
import { runCli } from './cli.ts'
import { processTerminal } from './terminal.ts'

const interrupt = new AbortController()
process.once('SIGINT', () => interrupt.abort())
process.once('SIGTERM', () => interrupt.abort())
// `cellway buckets --full | head` is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

process.exitCode = await runCli(process.argv.slice(2), processTerminal(interrupt.signal))

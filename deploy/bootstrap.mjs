#!/usr/bin/env node
/**
 * Runs one of our TypeScript programs from a bare clone: `node deploy/bootstrap.mjs <file.ts> [arguments…]`.
 *
 * The only file that has to work on an old Node.js (18 and newer) with no packages installed. It
 * 1. runs `npm ci` when `node_modules` is missing or not what `package-lock.json` says,
 * 2. finds Node.js 24 or newer (the npm package `node` brings one),
 * 3. starts the program with it, passes signals on, and ends with the program's exit code.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const NODE_MAJOR_MIN = 24
const MODULES = path.join(ROOT, 'node_modules')
const STAMP = path.join(MODULES, '.cellway-installed')
const LOCK_FILE = path.join(ROOT, '.cellway', 'install.lock')
/** An installation over a slow line takes minutes; after this long another start's lock is an error worth seeing. */
const LOCK_WAIT_MS = 15 * 60_000
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

await main(process.argv.slice(2))

async function main([program, ...args]) {
  if (program === undefined) fail('usage: node deploy/bootstrap.mjs <file.ts> [arguments…]', 2)
  await ensurePackages()
  const node = await ensureNode()
  process.exitCode = await runProgram(node, [path.resolve(ROOT, program), ...args])
}

async function ensurePackages() {
  if (isInstalled()) return
  const release = await takeLock()
  try {
    // A parallel start may have done the work while we waited.
    if (isInstalled()) return
    say(
      existsSync(MODULES)
        ? 'package-lock.json has changed: installing npm packages …'
        : 'first start in this clone: installing npm packages (once, about a minute) …'
    )
    const startedAt = Date.now()
    await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], ROOT)
    mkdirSync(MODULES, { recursive: true })
    writeFileSync(STAMP, `${lockDigest()}\n`)
    say(`npm packages installed in ${((Date.now() - startedAt) / 1000).toFixed(0)} s`)
  } finally {
    release()
  }
}

/** The stamp holds the digest of the lock file it was made from, so that a touched but equal lock file costs nothing. */
function isInstalled() {
  if (!existsSync(MODULES)) return false
  if (readText(STAMP)?.trim() === lockDigest()) return true
  if (!treeEqualsLock()) return false
  writeFileSync(STAMP, `${lockDigest()}\n`)
  return true
}

/** Somebody ran `npm install` or `npm ci` by hand: npm's own record of the tree says whether it is what the lock file wants. */
function treeEqualsLock() {
  const recorded = readText(path.join(MODULES, '.package-lock.json'))
  if (recorded === undefined) return false
  const have = JSON.parse(recorded).packages
  const want = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages
  return Object.entries(want).every(([where, entry]) => {
    if (where === '' || entry.link || !where.includes('node_modules/')) return true
    const found = have[where]
    if (found === undefined) return entry.optional === true || entry.peer === true || entry.devOptional === true
    return found.version === entry.version
  })
}

function lockDigest() {
  return createHash('sha256')
    .update(readFileSync(path.join(ROOT, 'package-lock.json')))
    .digest('hex')
}

/** One installation at a time per clone. The lock names its process, so that one left by a crash is taken over. */
async function takeLock() {
  mkdirSync(path.dirname(LOCK_FILE), { recursive: true })
  const deadline = Date.now() + LOCK_WAIT_MS
  for (let told = false; ; ) {
    try {
      const handle = openSync(LOCK_FILE, 'wx')
      writeSync(handle, String(process.pid))
      closeSync(handle)
      return () => rmSync(LOCK_FILE, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const holder = Number(readText(LOCK_FILE))
    if (!isAlive(holder) && lockAgeMs() > 2000) {
      rmSync(LOCK_FILE, { force: true })
      continue
    }
    if (!told) say(`another start (process ${holder}) is installing npm packages in this clone: waiting …`)
    told = true
    if (Date.now() > deadline) fail(`gave up waiting for process ${holder}; if it is not installing, remove ${path.relative(ROOT, LOCK_FILE)}`, 1)
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

/** A lock without a pid in it is being written right now, or its writer died between two system calls: its age tells. */
function lockAgeMs() {
  try {
    return Date.now() - statSync(LOCK_FILE).mtimeMs
  } catch {
    return 0
  }
}

function isAlive(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

async function ensureNode() {
  const pinned = path.join(MODULES, 'node', 'bin', 'node')
  if (existsSync(pinned)) return pinned
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) return process.execPath
  // npm was told not to run install scripts (`ignore-scripts`), and this one fetches the binary.
  say(`installing Node.js ${NODE_MAJOR_MIN} (this one is ${process.version}) …`)
  await run(process.execPath, ['installArchSpecificPackage.js'], path.join(MODULES, 'node'))
  if (!existsSync(pinned))
    fail(`needs Node.js ${NODE_MAJOR_MIN} or newer, and the npm package "node" brought none for ${process.platform}-${process.arch}`, 1)
  return pinned
}

/** For installers: their output is shown, and kept out of the program's own (`--json`, `-o json`); their failure is ours. */
async function run(command, args, cwd) {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 2, 2] })
  const [code, signal] = await ended(child, command)
  if (code !== 0) fail(`\`${command} ${args.join(' ')}\` ended with ${signal ?? `exit code ${code}`}`, 1)
}

async function runProgram(node, args) {
  const env = { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}` }
  const child = spawn(node, args, { stdio: 'inherit', env })
  // Ctrl-C reaches the child twice, from the terminal and from here; our programs count presses, not signals.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal))
  const [code, signal] = await ended(child, node)
  return code ?? 128 + constants.signals[signal]
}

function ended(child, command) {
  return new Promise((resolve) => {
    child.once('error', (error) => fail(`cannot start ${command}: ${error.message}`, 1))
    child.once('exit', (code, signal) => resolve([code, signal]))
  })
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function say(text) {
  process.stderr.write(`cellway: ${text}\n`)
}

function fail(text, code) {
  say(text)
  // The lock must not outlive us; `process.exit` skips the `finally` above.
  if (Number(readText(LOCK_FILE)) === process.pid) rmSync(LOCK_FILE, { force: true })
  process.exit(code)
}

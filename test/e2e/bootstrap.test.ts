/** The bootstrap in a clone of its own that has no packages yet, and needs none from a registry. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const BOOTSTRAP = fileURLToPath(new URL('../../deploy/bootstrap.mjs', import.meta.url))

t.test('a first start installs once, later ones do not', async (t) => {
  const clone = cloneIn(t.testdir())
  const [first, parallel] = await Promise.all([run(clone, 'exit.ts', '3'), run(clone, 'exit.ts', '4')])
  t.same([first.code, parallel.code], [3, 4], 'both end with the code of their program')
  const installations = [first, parallel].map(({ stderr }) => stderr.split('first start in this clone').length - 1)
  t.equal((installations[0] ?? 0) + (installations[1] ?? 0), 1, 'of two starts at the same time one installs')
  t.ok(existsSync(join(clone, 'node_modules')))
  t.notOk(existsSync(join(clone, '.cellway/install.lock')), 'the lock is given back')
  const later = await run(clone, 'exit.ts', '0')
  t.equal(later.stderr, '', 'a later start has nothing to say')
  t.match(later.stdout, /^v2[4-9]\./, 'runs on Node.js 24 or newer')
})

t.test('a changed lock file is installed again', async (t) => {
  const clone = cloneIn(t.testdir())
  await run(clone, 'exit.ts', '0')
  const lock = join(clone, 'package-lock.json')
  const dependency = { 'node_modules/none': { version: '1.0.0', optional: true } }
  const content = JSON.parse(readFileSync(lock, 'utf8')) as { packages: object }
  writeFileSync(lock, JSON.stringify({ ...content, packages: { ...content.packages, ...dependency } }))
  const same = await run(clone, 'exit.ts', '0')
  t.equal(same.stderr, '', 'not when the tree is what the lock file wants: an optional package may be missing')
  writeFileSync(lock, JSON.stringify({ ...content, packages: { ...content.packages, 'node_modules/none': { version: '1.0.0' } } }))
  const changed = await run(clone, 'exit.ts', '0')
  t.match(changed.stderr, 'package-lock.json has changed')
})

t.test('a lock left by a crash is taken over', async (t) => {
  const clone = cloneIn(t.testdir())
  mkdirSync(join(clone, '.cellway'), { recursive: true })
  // A pid that cannot be: the kernel's largest is below.
  writeFileSync(join(clone, '.cellway/install.lock'), '99999999')
  const { code } = await run(clone, 'exit.ts', '0')
  t.equal(code, 0)
})

t.test('signals reach the program, and its end is the bootstrap’s', async (t) => {
  const clone = cloneIn(t.testdir())
  const child = spawn(process.execPath, ['deploy/bootstrap.mjs', 'wait.ts'], { cwd: clone, stdio: ['ignore', 'pipe', 'pipe'] })
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number]
  t.equal(code, 17, 'the program has handled the signal')
})

t.test('without a program it says how to use it', async (t) => {
  const { code, stderr } = await run(cloneIn(t.testdir()))
  t.equal(code, 2)
  t.match(stderr, 'usage:')
})

function cloneIn(folder: string): string {
  const inner = { name: 'inner', version: '1.0.0' }
  const outer = { name: 'bare', version: '1.0.0', private: true, type: 'module', workspaces: ['inner'] }
  const packages = { '': outer, inner, 'node_modules/inner': { resolved: 'inner', link: true } }
  for (const name of ['deploy', 'inner']) mkdirSync(join(folder, name))
  copyFileSync(BOOTSTRAP, join(folder, 'deploy/bootstrap.mjs'))
  writeFileSync(join(folder, 'inner/package.json'), JSON.stringify(inner))
  writeFileSync(join(folder, 'package.json'), JSON.stringify(outer))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ name: 'bare', version: '1.0.0', lockfileVersion: 3, requires: true, packages }))
  writeFileSync(join(folder, 'exit.ts'), 'const code: number = Number(process.argv[2])\nconsole.log(process.version)\nprocess.exit(code)\n')
  writeFileSync(join(folder, 'wait.ts'), "process.on('SIGTERM', () => process.exit(17))\nsetInterval(() => {}, 1000)\nconsole.log('ready')\n")
  return folder
}

async function run(clone: string, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['deploy/bootstrap.mjs', ...args], { cwd: clone, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...output }
}

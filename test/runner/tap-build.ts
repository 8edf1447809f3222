import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../deploy/local/src/command.ts'

const BUILT = 'node_modules/@tapjs/test/test-built/dist/esm/index.js'
const BUILD_MS_MAX = 180_000

/**
 * A fresh installation of tap carries its default plugins. `npx tap` would rebuild itself for `.taprc` and fail the very run in
 * which it does that, so it is done here. Built right = no plugin that `.taprc` switches off is still imported.
 */
export async function ensureTapBuilt(root: string, say: (line: string) => void): Promise<void> {
  const built = join(root, BUILT)
  const unwanted = [...readFileSync(join(root, '.taprc'), 'utf8').matchAll(/"!([^"]+)"/g)].map((match) => match[1] ?? '')
  if (!existsSync(built)) return
  const imported = readFileSync(built, 'utf8')
  if (!unwanted.some((plugin) => imported.includes(`"${plugin}"`))) return
  say('building tap with the plugins of .taprc (once per installation) …')
  await runCommand(join(root, 'node_modules/.bin/tap'), ['build'], { timeoutMs: BUILD_MS_MAX, cwd: root })
}

/**
 * A real MySQL 9 for tests. Debian has it in `sid` only, and it cannot stand beside MariaDB in one system: so it lives in a folder
 * with a small Debian of its own, made once per machine, and runs there by chroot.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, type ServerOptions, type TestServer, whenReady } from './servers.ts'

export interface MysqlServer extends TestServer {
  /** May do everything; the server listens on loopback and lives for one test. */
  readonly user: 'root'
  readonly password: ''
  /** Where its binlogs are, as this machine sees it. */
  readonly dataFolder: string
}

const run = promisify(execFile)
/** Two servers' worth of downloads on a slow line. */
const MAKE_MS = 900_000
const CACHE = process.env.CELLWAY_SERVERS_CACHE ?? join(tmpdir(), 'cellway-servers')
const ROOT = join(CACHE, 'mysql-sid')
/** An initialised data folder, within the root: making one takes longer than the server's start. */
const TEMPLATE = '/cellway-template'

/** Row format with everything the capture needs; `args` may say otherwise. */
export async function startMysql9({ port, args = [] }: ServerOptions = {}): Promise<MysqlServer> {
  await madeOnce()
  const chosen = port ?? (await freePort())
  const dataFolder = await mkdtemp(join(ROOT, 'cellway-data-'))
  await cp(ROOT + TEMPLATE, dataFolder, { recursive: true })
  const inside = dataFolder.slice(ROOT.length)
  const child = spawn(
    'chroot',
    [
      ROOT,
      '/usr/sbin/mysqld',
      '--no-defaults',
      '--user=root',
      `--datadir=${inside}`,
      `--socket=${inside}/m.sock`,
      `--pid-file=${inside}/m.pid`,
      '--secure-file-priv=NULL',
      '--mysqlx=OFF',
      '--bind-address=127.0.0.1',
      `--port=${chosen}`,
      '--innodb-buffer-pool-size=64M',
      '--innodb-redo-log-capacity=16M',
      '--performance-schema=OFF',
      '--log-bin=bin',
      '--server-id=9',
      '--gtid-mode=ON',
      '--enforce-gtid-consistency=ON',
      '--binlog-format=ROW',
      '--binlog-row-image=FULL',
      '--binlog-row-metadata=FULL',
      ...args
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] }
  )
  const server = await whenReady(child, { name: 'mysqld', port: chosen, folder: dataFolder })
  return { ...server, user: 'root', password: '', dataFolder }
}

/** Why there can be no MySQL 9 on this machine, for `skip`; false when there is one. Makes it where that is possible. */
export async function mysql9Skip(): Promise<string | false> {
  try {
    await madeOnce()
    return false
  } catch (error) {
    return `SKIPPED, NOT PROVEN: no MySQL 9 here: ${error instanceof Error ? error.message : String(error)}`
  }
}

let making: Promise<void> | undefined

function madeOnce(): Promise<void> {
  making ??= make()
  return making
}

/** Two test runs may want it at once: the kernel's lock lets one of them make it, and is gone with its holder. */
async function make(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('chroot and debootstrap need root')
  await mkdir(CACHE, { recursive: true })
  if (existsSync(ROOT)) return
  if (!existsSync('/usr/sbin/debootstrap')) await installDebootstrap()
  const work = join(CACHE, 'mysql-sid.making')
  const lock = join(CACHE, 'mysql-sid.lock')
  try {
    await run('flock', ['-w', String(MAKE_MS / 1000), lock, 'sh', '-ec', MAKE_SCRIPT, 'make', ROOT, work, await mirrorOf('/etc/apt'), TEMPLATE], {
      timeout: MAKE_MS,
      maxBuffer: 64 * 1024 * 1024
    })
  } catch (cause) {
    const output = cause instanceof Error && 'stdout' in cause ? `${cause.stdout}` : ''
    throw new Error(`debootstrap of a folder with mysql-server-core failed: ${output.trim().split('\n').slice(-3).join(' | ')}`, { cause })
  }
}

/** The rename at the end is what makes it appear: a folder of that name is whole. */
const MAKE_SCRIPT = `
if [ -e "$1" ]; then exit 0; fi
rm -rf "$2"
debootstrap --variant=minbase --include=mysql-server-core sid "$2" "$3" 2>&1
rm -rf "$2"/var/cache/apt/archives/*.deb "$2"/var/lib/apt/lists/*
chroot "$2" /usr/sbin/mysqld --no-defaults --user=root --initialize-insecure --datadir="$4" --secure-file-priv=NULL --innodb-redo-log-capacity=16M 2>&1
rm -f "$2$4/auto.cnf"
mv "$2" "$1"
`

async function installDebootstrap(): Promise<void> {
  const install = () => run('apt-get', ['install', '-y', '--no-install-recommends', 'debootstrap'], { timeout: MAKE_MS })
  try {
    await install()
  } catch {
    // The lists of a fresh machine may be older than the archive.
    await run('apt-get', ['update'], { timeout: MAKE_MS })
    await install()
  }
}

/** The Debian archive that this machine itself is kept from. */
async function mirrorOf(folder: string): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8')
  const codename = /^VERSION_CODENAME=(.+)$/m.exec(release)?.[1] ?? ''
  const names = await readdir(join(folder, 'sources.list.d')).catch(() => [])
  const files = ['sources.list', ...names.map((name) => join('sources.list.d', name))]
  for (const file of files) {
    const text = await readFile(join(folder, file), 'utf8').catch(() => '')
    const found = file.endsWith('.sources') ? mirrorOfBlocks(text, codename) : mirrorOfLines(text, codename)
    if (found !== undefined) return found
  }
  throw new Error(`no archive of ${codename} among the sources of apt`)
}

function mirrorOfLines(text: string, codename: string): string | undefined {
  const lines = [...text.matchAll(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/gm)]
  return lines.find(([, , suite, components]) => suite === codename && components?.split(/\s+/).includes('main'))?.[1]
}

function mirrorOfBlocks(text: string, codename: string): string | undefined {
  for (const block of text.split(/\n\s*\n/)) {
    const field = (name: string): string[] => new RegExp(`^${name}:\\s*(.+)$`, 'im').exec(block)?.[1]?.trim().split(/\s+/) ?? []
    if (field('Suites').includes(codename) && field('Components').includes('main')) return field('URIs')[0]
  }
  return undefined
}

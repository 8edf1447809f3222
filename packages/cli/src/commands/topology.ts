import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Applied, TopologyChange } from '@cellway/client'
import { isEmptyDiff, type Problem, parseTopology, type Topology } from '@cellway/topology'
import type { CommandContext, Connected, Outcome } from '../command.ts'
import { confirm, parseDuration, withControl } from '../command.ts'
import { reasonOf } from '../connection.ts'
import { fileUnreadable, interrupted, topologyInvalid } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { renderWarnings } from '../render/problems.ts'
import { count, type Paint } from '../render/text.ts'
import { settle, settledLine } from '../settle.ts'
import { resolveFile, type Terminal } from '../terminal.ts'

/** Offline: needs no control and no token. @throws CLI_TOPOLOGY_INVALID with every problem */
export async function validateTopology({ terminal }: CommandContext, file: string): Promise<Outcome> {
  const { topology, warnings } = await readTopology(terminal, file)
  const { cells, spaces, routes } = topology
  const facts = [count(Object.keys(cells).length, 'cell'), count(Object.keys(spaces).length, 'space'), count(routes.length, 'route')].join(', ')
  const text = `${terminal.paint('green', '✓')} ${file} is valid: ${facts}`
  return { exit: EXIT.done, json: { ok: true, warnings, topology }, text: withWarnings(text, warnings, terminal.paint) }
}

export async function diffTopology(context: CommandContext, file: string): Promise<Outcome> {
  const { terminal } = context
  const { text, warnings } = await readTopology(terminal, file)
  return withControl(context, async ({ client }) => {
    const change = await client.diffTopology(text, { signal: terminal.signal })
    return { exit: EXIT.done, json: { ...change, warnings }, text: withWarnings(renderChange(change, terminal.paint), warnings, terminal.paint) }
  })
}

export interface ApplyOptions {
  readonly yes: boolean
  readonly reason: string | undefined
  readonly wait: boolean
  readonly timeout: string
}

/** Difference, question, compare-and-set against the version that was shown, then the wait for everybody. */
export async function applyTopology(context: CommandContext, file: string, options: ApplyOptions): Promise<Outcome> {
  const { terminal } = context
  const timeoutMs = parseDuration(options.timeout, '--timeout')
  const { text, warnings } = await readTopology(terminal, file)
  return withControl(context, async (control) => {
    const change = await control.client.diffTopology(text, { signal: terminal.signal })
    if (warnings.length > 0) terminal.err(renderWarnings(warnings, terminal.paint))
    if (change.version > 0 && isEmptyDiff(change.diff)) return unchanged(change)
    terminal.err(renderChange(change, terminal.paint))
    await confirm({ question: `\nApply this to ${control.urls.join(', ')} (version ${change.version} now)?`, yes: options.yes }, terminal)
    if (terminal.signal.aborted) throw interrupted({})
    // Not with the signal: once it is sent, giving up would only hide whether it happened.
    const applied = await control.client.applyTopology({
      text,
      reason: options.reason ?? `topology apply ${basename(file)}`,
      ifMatch: change.version
    })
    return options.wait ? waited(applied, { context, control, timeoutMs }) : notWaited(applied)
  })
}

function unchanged({ version }: TopologyChange): Outcome {
  return { exit: EXIT.done, json: { version, changed: false }, text: `nothing to change: version ${version} is the same topology` }
}

function notWaited({ version, changed }: Applied): Outcome {
  return { exit: EXIT.done, json: { version, changed }, text: `✓ version ${version} is committed; nobody waited for its adoption (cellway status)` }
}

interface Waiting {
  readonly context: CommandContext
  readonly control: Connected
  readonly timeoutMs: number
}

async function waited({ version, changed }: Applied, { context, control, timeoutMs }: Waiting): Promise<Outcome> {
  const { terminal } = context
  const settling = await settle({ client: control.client, version, timeoutMs, terminal })
  const json = { version, changed, ...settling }
  if (settling.settled)
    return { exit: EXIT.done, json, text: `${terminal.paint('green', '✓')} version ${version} is committed, ${settledLine(settling)}` }
  const text = [
    `${terminal.paint('yellow', '!')} version ${version} is committed, ${settledLine(settling)}`,
    `  ${terminal.paint('dim', '→')} it cannot be lost any more; cellway status --watch shows who is behind and why`
  ]
  return { exit: EXIT.notSettled, json, text: text.join('\n') }
}

interface TopologyFile {
  readonly text: string
  readonly topology: Topology
  readonly warnings: readonly Problem[]
}

/** `-` is standard input. @throws CLI_FILE_UNREADABLE, CLI_TOPOLOGY_INVALID */
async function readTopology(terminal: Terminal, file: string): Promise<TopologyFile> {
  const text = await readText(terminal, file)
  const checked = parseTopology(text)
  if (!checked.ok) throw topologyInvalid({ file, problems: checked.problems })
  return { text, topology: checked.value, warnings: checked.warnings }
}

async function readText(terminal: Terminal, file: string): Promise<string> {
  if (file === '-') return terminal.readStdin()
  try {
    return readFileSync(resolveFile(terminal, file), 'utf8')
  } catch (cause) {
    throw fileUnreadable({ file, reason: reasonOf(cause) }, { cause })
  }
}

const TONES: Readonly<Record<string, 'green' | 'red' | 'yellow'>> = { '+': 'green', '-': 'red', '~': 'yellow' }

function renderChange({ text, rebalance, version }: TopologyChange, paint: Paint): string {
  const lines = text.split('\n').map((line) => {
    const tone = TONES[line[0] ?? '']
    return tone === undefined ? line : paint(tone, line)
  })
  const title = version === 0 ? 'the first topology:' : `against version ${version}:`
  if (rebalance.length === 0) return [title, ...lines].join('\n')
  const hint = `${count(rebalance.length, 'bucket')} would have to move to spread by weight; applying moves none of them`
  return [title, ...lines, paint('dim', hint)].join('\n')
}

function withWarnings(text: string, warnings: readonly Problem[], paint: Paint): string {
  return warnings.length === 0 ? text : `${renderWarnings(warnings, paint)}\n\n${text}`
}

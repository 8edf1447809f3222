import { createControlClient, type Status } from '@cellway/client'
import { type CommandContext, type Outcome, withControl } from '../command.ts'
import { type LocalFile, readLocalFile, resolveConnection } from '../connection.ts'
import { type ControlExamination, examineCells, examineControl } from '../doctor/examine.ts'
import type { Finding } from '../doctor/finding.ts'
import { takeInventory } from '../doctor/inventory.ts'
import { examineReplication } from '../doctor/replication.ts'
import { usage } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { renderFindings } from '../render/doctor.ts'
import { count } from '../render/text.ts'
import { chooseCells } from './replication.ts'

export interface DoctorOptions {
  readonly cell?: string
  readonly grants: boolean
}

/** Examines what exists now, control or no control. Changes nothing. */
export async function runDoctor(context: CommandContext, { cell, grants }: DoctorOptions): Promise<Outcome> {
  if (grants) return printGrants(context, cell)
  const { terminal, globals } = context
  const local = readLocalFile(globals.local, terminal)
  const control = await lookAtControl(context)
  const inventory = takeInventory(control.topology, local && fits(local, control, context) ? local : undefined, terminal.env)
  const chosen = cell === undefined ? inventory : inventory.filter((one) => one.cell === cell)
  if (cell !== undefined && chosen.length === 0) {
    throw usage({
      problem: `there is no cell "${cell}"`,
      fix: inventory.length === 0 ? 'control does not answer, so no cell is known' : `one of ${inventory.map((one) => one.cell).join(', ')}`
    })
  }
  terminal.progress(`examining ${count(chosen.length, 'cell')} …`)
  const findings = [
    ...control.findings,
    ...(await examineCells({ inventory: chosen, status: control.status, cells: inventory.length, signal: terminal.signal })),
    ...(await lookAtReplication(
      context,
      control,
      chosen.map((one) => one.cell)
    ))
  ]
  terminal.progressDone()
  const healthy = findings.every(({ verdict }) => verdict !== 'fail')
  return { exit: healthy ? EXIT.done : EXIT.needsOperator, json: { ok: healthy, findings }, text: renderFindings(findings, terminal.paint) }
}

async function lookAtControl({ terminal, globals }: CommandContext): Promise<ControlExamination> {
  const connection = resolveConnection(globals, terminal)
  await using client = createControlClient(connection)
  return await examineControl(client, { url: connection.urls.join(', '), signal: terminal.signal })
}

async function lookAtReplication(context: CommandContext, control: ControlExamination, cells: readonly string[]): Promise<readonly Finding[]> {
  if (control.status === undefined) return []
  const { replicators = [] }: { readonly replicators?: Status['replicators'] } = control.status
  return withControl(context, ({ client }) => examineReplication({ client, replicators, cells, signal: context.terminal.signal }))
}

/** From the replicators: they know the flavour of their server, and the tables of the topology. */
async function printGrants(context: CommandContext, cell: string | undefined): Promise<Outcome> {
  return withControl(context, async (control) => {
    const cells = await chooseCells(control, context, cell)
    const grants = await Promise.all(cells.map(async (one) => ({ cell: one, statements: await control.client.replication.grants(one) })))
    const text = grants.map(({ cell: one, statements }) => [`-- ${one}`, ...statements.map((statement) => `${statement};`)].join('\n')).join('\n\n')
    return { exit: EXIT.done, json: { cells: grants }, text }
  })
}

/** The local file tells about the local run only: its passwords are not for the cells of another control plane. */
function fits(local: LocalFile, _control: ControlExamination, { globals, terminal }: CommandContext): boolean {
  const origin = URL.parse(local.control.url)?.origin
  return resolveConnection(globals, terminal).urls.every((url) => url === origin)
}

import { createControlClient } from '@cellway/client'
import type { CommandContext, Outcome } from '../command.ts'
import { type LocalFile, readLocalFile, resolveConnection } from '../connection.ts'
import { type ControlExamination, examineCells, examineControl } from '../doctor/examine.ts'
import { takeInventory } from '../doctor/inventory.ts'
import { usage } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { renderFindings } from '../render/doctor.ts'
import { count } from '../render/text.ts'

export interface DoctorOptions {
  readonly cell?: string
}

/** Examines what exists now, control or no control. Changes nothing. */
export async function runDoctor(context: CommandContext, { cell }: DoctorOptions): Promise<Outcome> {
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
    ...(await examineCells({ inventory: chosen, status: control.status, cells: inventory.length, signal: terminal.signal }))
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

/** The local file tells about the local run only: its passwords are not for the cells of another control plane. */
function fits(local: LocalFile, _control: ControlExamination, { globals, terminal }: CommandContext): boolean {
  const origin = URL.parse(local.control.url)?.origin
  return resolveConnection(globals, terminal).urls.every((url) => url === origin)
}

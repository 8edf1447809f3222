/**
 * What a bootstrap asks of the appliers of its cell. Between the first chunk of a table and the moment when every applier is past the
 * last chunk's high watermark, the rows of the table are newer than the streams are, so comparing before-images would find conflicts that
 * are none. The gate says per table how a change is to be treated, and holds all appliers still while chunks are written.
 */
export type Treatment =
  /** As always: compare with the before-image, decide conflicts. */
  | 'compare'
  /** The image of the stream wins: remove the before-key if the key changes or the row is deleted, REPLACE the after-image. Nothing is compared or recorded. */
  | 'overwrite'
  /** Leave the change out: a chunk that is not read yet will contain it. */
  | 'skip'

export interface TableName {
  readonly schema: string
  readonly name: string
}

/** In force for one target transaction: from before its first statement until after its commit or rollback. */
export interface GatePass {
  /** False where no bootstrap is at work: then every table is compared, and `treatment` need not be asked. */
  readonly active: boolean
  /** What the session's `foreign_key_checks` has to be for this transaction. */
  readonly foreignKeyChecks: boolean
  treatment(table: TableName): Treatment
  /** Exactly once, also after a failure. */
  leave(): void
}

export interface ApplyGate {
  /** Waits while chunks are being written. Costs nothing when no bootstrap is at work. @throws the signal's reason */
  enter(signal: AbortSignal): Promise<GatePass>
}

const OPEN_PASS: GatePass = { active: false, foreignKeyChecks: true, treatment: () => 'compare', leave: () => undefined }

/** Of a cell without a bootstrap. */
export const OPEN_GATE: ApplyGate = { enter: async () => OPEN_PASS }

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SECRET_BYTES = 24
const SIGNING_KEY_BYTES = 48
const TOKEN_BYTES = 32

export interface CellSecrets {
  readonly mysqlPassword: string
  readonly mysqlPasswordFile: string
  readonly mysqlAdminPassword: string
  /** Of the account that reads the binlog and keeps the schema `cellway`. */
  readonly replicatorPassword: string
  readonly replicatorPasswordFile: string
  /** Of the account that writes what other cells changed. */
  readonly applierPassword: string
  readonly applierPasswordFile: string
  /** With which the cell publishes at the center, and reads there. */
  readonly centerToken: string
  readonly centerTokenFile: string
}

/** Made at the first start, kept for the next ones: the stores remember their passwords too. */
export function cellSecrets(folder: string, cell: string): CellSecrets {
  const mysqlPasswordFile = join(folder, `${cell}-mysql.password`)
  const replicatorPasswordFile = join(folder, `${cell}-replicator.password`)
  const applierPasswordFile = join(folder, `${cell}-applier.password`)
  const centerTokenFile = join(folder, `${cell}-center.token`)
  return {
    mysqlPassword: secretFile(mysqlPasswordFile, SECRET_BYTES),
    mysqlPasswordFile,
    mysqlAdminPassword: secretFile(join(folder, `${cell}-mysql-admin.password`), SECRET_BYTES),
    replicatorPassword: secretFile(replicatorPasswordFile, SECRET_BYTES),
    replicatorPasswordFile,
    applierPassword: secretFile(applierPasswordFile, SECRET_BYTES),
    applierPasswordFile,
    centerToken: secretFile(centerTokenFile, TOKEN_BYTES),
    centerTokenFile
  }
}

/** For whoever operates the center; cells have tokens of their own. */
export function operatorCenterToken(folder: string): { readonly token: string; readonly file: string } {
  const file = join(folder, 'center-operator.token')
  return { token: secretFile(file, TOKEN_BYTES), file }
}

export function ensureSigningKey(file: string): void {
  secretFile(file, SIGNING_KEY_BYTES)
}

export function readSecret(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
}

export function writeSecret(file: string, text: string): void {
  writeFileSync(file, `${text}\n`, { mode: 0o600 })
}

/** The folder is closed to other users as well: names of secrets are nobody's business either. */
export function ensureSecretsFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
}

/** base64url: safe in SQL quotes, URLs, YAML and shells, and read as plain text by everyone. */
function secretFile(file: string, bytes: number): string {
  const kept = readSecret(file)
  if (kept !== undefined && kept !== '') return kept
  const made = randomBytes(bytes).toString('base64url')
  writeSecret(file, made)
  return made
}

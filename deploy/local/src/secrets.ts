import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SECRET_BYTES = 24
const SIGNING_KEY_BYTES = 48

export interface CellSecrets {
  readonly mysqlPassword: string
  readonly mysqlPasswordFile: string
  readonly mysqlAdminPassword: string
}

/** Made at the first start, kept for the next ones: the stores remember their passwords too. */
export function cellSecrets(folder: string, cell: string): CellSecrets {
  const mysqlPasswordFile = join(folder, `${cell}-mysql.password`)
  return {
    mysqlPassword: secretFile(mysqlPasswordFile, SECRET_BYTES),
    mysqlPasswordFile,
    mysqlAdminPassword: secretFile(join(folder, `${cell}-mysql-admin.password`), SECRET_BYTES)
  }
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

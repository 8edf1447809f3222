import { versionUnsupported } from './errors.ts'

export type Flavour = 'mariadb' | 'mysql'

const SUPPORTED = 'MariaDB 10.6 or newer, MySQL 8.0.20 or newer'

/** By what `SELECT VERSION()` says: `10.11.19-MariaDB-0+deb12u1`, `9.7.0`. @throws STO_VERSION_UNSUPPORTED */
export function detectFlavour(version: string): Flavour {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? []
  if (major === undefined || minor === undefined || patch === undefined) throw versionUnsupported({ version, supported: SUPPORTED })
  const flavour = /mariadb/i.test(version) ? 'mariadb' : 'mysql'
  const number = Number(major) * 1_000_000 + Number(minor) * 1000 + Number(patch)
  if (number < (flavour === 'mariadb' ? 10_006_000 : 8_000_020)) throw versionUnsupported({ version, supported: SUPPORTED })
  return flavour
}

import { isCellwayError } from '@cellway/base'
import t from 'tap'
import { detectFlavour } from './flavour.ts'

function check(version: string): string {
  try {
    return detectFlavour(version)
  } catch (cause) {
    return isCellwayError(cause) ? cause.code : String(cause)
  }
}

const TABLE: readonly (readonly [version: string, want: string])[] = [
  ['10.11.19-MariaDB-0+deb12u1', 'mariadb'],
  ['10.6.0-MariaDB', 'mariadb'],
  ['11.8.2-MariaDB-log', 'mariadb'],
  ['8.0.20', 'mysql'],
  ['9.7.0', 'mysql'],
  ['8.4.3-3-debian', 'mysql'],
  ['10.5.99-MariaDB', 'STO_VERSION_UNSUPPORTED'],
  ['8.0.19', 'STO_VERSION_UNSUPPORTED'],
  ['5.7.44', 'STO_VERSION_UNSUPPORTED'],
  ['', 'STO_VERSION_UNSUPPORTED']
]

for (const [version, want] of TABLE) t.equal(check(version), want, version)

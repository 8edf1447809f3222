import { type At, child, isObject, problem } from './report.ts'

const SECRET_NAME = /(?:password|passwd|passphrase|pwd|secret|secrets|token|credential|credentials|key)$/
const PUBLIC_NAME = /(?:^|public|routing)key$/
const REFERENCE = /^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+)$/
/** `scheme://user:password@host` and, as MySQL drivers write it, `user:password@tcp(host)`. */
const URL_WITH_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^/@\s]*:[^/\s]*@/i
const DSN_WITH_PASSWORD = /^[^\s:/@]+:[^\s/@]+@/
const QUERY_WITH_SECRET = /[?&](?:password|passwd|pwd|secret|token|api[_-]?key)=[^&]/i

const FIX = 'Write a reference instead: env:NAME (environment variable) or file:/path (file that only the service can read).'

/**
 * Finds literal secrets anywhere in the document. A topology is shown, diffed and copied to every cell, so a secret in it
 * is a leak. The value itself is never part of the report.
 */
export function checkSecrets(at: At, inStores = false): void {
  const { value } = at
  if (typeof value === 'string') checkText(at, value, inStores)
  else if (Array.isArray(value))
    for (const [index, item] of value.entries()) checkSecrets({ ...at, path: `${at.path}[${index}]`, value: item }, inStores)
  else if (isObject(value)) for (const name of Object.keys(value)) checkField(child(at, name), name, inStores)
}

function checkField(at: At, name: string, inStores: boolean): void {
  const isText = typeof at.value === 'string' || typeof at.value === 'number'
  if (isText && isSecretName(name, inStores) && !REFERENCE.test(String(at.value))) problem(at, 'it is a secret, written out', FIX)
  else checkSecrets(at, inStores || name === 'stores')
}

/** `key` alone is a routing key or a Redis key outside of `stores`. */
function isSecretName(name: string, inStores: boolean): boolean {
  const plain = name.toLowerCase().replaceAll(/[-_.]/g, '')
  if (!SECRET_NAME.test(plain)) return false
  return plain === 'key' ? inStores : !PUBLIC_NAME.test(plain)
}

function checkText(at: At, value: string, inStores: boolean): void {
  if (REFERENCE.test(value)) return
  if (URL_WITH_PASSWORD.test(value) || (inStores && DSN_WITH_PASSWORD.test(value)))
    problem(at, 'it is an address with a password in it', `Take the password out of the address. ${FIX}`)
  else if (QUERY_WITH_SECRET.test(value)) problem(at, 'it is an address with a secret in its query', `Take the secret out of the address. ${FIX}`)
}

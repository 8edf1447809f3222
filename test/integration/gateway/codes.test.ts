import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { ErrorDefinition } from '@cellway/base'
import t from 'tap'
import * as errors from '../../../services/gateway/src/errors.ts'

/** Codes that no request can bring about; each with the reason why. */
const UNREACHED: Readonly<Record<string, string>> = {
  GW_INTERNAL: 'stands for a mistake of ours; a request that reaches it is a bug with a test of its own'
}

/** A process that ends at its start prints the message instead of the code. */
const BY_MESSAGE = new Set(['GW_CONFIG_INVALID'])

const definitions: readonly ErrorDefinition[] = Object.values(errors).map((factory) => factory.definition)
const folder = fileURLToPath(new URL('.', import.meta.url))
const files = (await readdir(folder)).filter((name) => name.endsWith('.test.ts') && name !== 'codes.test.ts')
const text = (await Promise.all(files.map((name) => readFile(`${folder}${name}`, 'utf8')))).join('\n')

const isAsserted = ({ code, message }: ErrorDefinition): boolean =>
  text.includes(BY_MESSAGE.has(code) ? message : `'${code}'`) || text.includes(`*${code}`)

t.test('every code of the gateway is reached by a test of this folder, or is named with the reason why not', async (t) => {
  t.ok(definitions.length >= 25)
  for (const definition of definitions) {
    const { code } = definition
    if (code in UNREACHED) t.notOk(isAsserted(definition), `${code} is said to be unreachable, but a test reaches it`)
    else t.ok(isAsserted(definition), code)
  }
})

t.test('every code that these tests expect exists', async (t) => {
  const known = new Set(definitions.map(({ code }) => code))
  const expected = new Set(text.match(/GW_[A-Z_]+/g) ?? [])
  t.same(
    [...expected].filter((code) => !known.has(code)),
    []
  )
})

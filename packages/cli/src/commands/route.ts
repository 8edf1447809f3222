import { formatExplanation } from '@cellway/topology'
import type { CommandContext, Outcome } from '../command.ts'
import { withControl } from '../command.ts'
import { usage } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'

export interface ExplainOptions {
  readonly url: string
  readonly method: string
  readonly header: readonly string[]
  readonly cell?: string
  readonly clientIp?: string
}

export async function explainRoute(context: CommandContext, { url, method, header, cell, clientIp }: ExplainOptions): Promise<Outcome> {
  const headers = header.map(parseHeader)
  return withControl(context, async ({ client }) => {
    const { signal } = context.terminal
    const request = {
      method: method.toUpperCase(),
      url,
      headers,
      ...(cell === undefined ? {} : { cell }),
      ...(clientIp === undefined ? {} : { clientIp })
    }
    const explanation = await client.explain(request, { signal })
    return { exit: EXIT.done, json: explanation, text: formatExplanation(explanation) }
  })
}

/** As curl takes it: `name: value`. Repeating a name sends it twice. @throws CLI_USAGE */
export function parseHeader(text: string): readonly [string, string] {
  const at = text.indexOf(':')
  const name = text.slice(0, at).trim()
  if (at < 1 || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
    throw usage({ problem: `--header "${text}" is not a header`, fix: "like --header 'x-user-id: 42'" })
  return [name, text.slice(at + 1).trim()]
}

import { conflictPolicyInvalid } from './errors.ts'

export const POLICIES = ['owner-wins', 'latest-wins', 'cell-priority', 'merge-columns', 'delta', 'keep-local', 'apply-remote', 'park'] as const

export type PolicyName = (typeof POLICIES)[number]

/** What is done when a change meets another. */
export type Policy =
  | { readonly policy: Exclude<PolicyName, 'latest-wins' | 'delta'> }
  /** `column`: grows with each write of the row, whoever writes it. */
  | { readonly policy: 'latest-wins'; readonly column: string }
  /** `columns`: numeric; what a change added to them is added here. */
  | { readonly policy: 'delta'; readonly columns: readonly string[] }

export interface PolicyConfig {
  readonly default?: Policy
  /** The first that matches counts. `table` is `schema.table`; `*` stands for any text. */
  readonly tables?: readonly (Policy & { readonly table: string })[]
}

export const DEFAULT_POLICY: Policy = { policy: 'owner-wins' }

export function policyOf(config: PolicyConfig, table: { readonly schema: string; readonly name: string }): Policy {
  const name = `${table.schema}.${table.name}`
  return (config.tables ?? []).find((rule) => matches(rule.table, name)) ?? config.default ?? DEFAULT_POLICY
}

/** @throws CON_POLICY_INVALID */
export function checkPolicy(
  policy: Policy,
  table: { readonly schema: string; readonly name: string; readonly columns: readonly { readonly name: string }[] }
): void {
  const wanted = policy.policy === 'latest-wins' ? [policy.column] : policy.policy === 'delta' ? policy.columns : []
  const missing = wanted.filter((column) => !table.columns.some(({ name }) => name === column))
  const name = `${table.schema}.${table.name}`
  if (missing.length > 0)
    throw conflictPolicyInvalid({ table: name, problem: `${policy.policy} names a column that is not there: ${missing.join(', ')}` })
  if (policy.policy === 'delta' && wanted.length === 0) throw conflictPolicyInvalid({ table: name, problem: 'delta names no columns' })
}

/** By parts: a glob needs no regular expression, and a pattern must never cost more than it is long. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*')
  const [first = '', ...rest] = parts
  if (rest.length === 0) return pattern === name
  if (!name.startsWith(first)) return false
  let at = first.length
  const last = rest.pop() ?? ''
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}

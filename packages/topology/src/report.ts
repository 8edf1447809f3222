import type { Problem } from './config.ts'
import { closestName } from './did-you-mean.ts'
import { joinPath } from './yaml-document.ts'

/** Collects everything that is wrong, so that the author mends it in one round. */
export interface Report {
  readonly problems: Problem[]
  readonly warnings: Problem[]
}

/** A value and where it stands. */
export interface At {
  readonly path: string
  readonly value: unknown
  readonly report: Report
}

export function problem(at: At, text: string, fix: string): undefined {
  at.report.problems.push({ path: at.path, problem: text, fix })
  return undefined
}

export function warning(at: At, text: string, fix: string): void {
  at.report.warnings.push({ path: at.path, problem: text, fix })
}

export function child(at: At, name: string): At {
  const value = isObject(at.value) && Object.hasOwn(at.value, name) ? at.value[name] : undefined
  return { path: joinPath(at.path, name), value, report: at.report }
}

export function isAbsent(at: At): boolean {
  return at.value === undefined
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether the value is an object; fields that are not in `known` are problems. */
export function checkObject(at: At, known: readonly string[]): boolean {
  if (!isObject(at.value)) {
    problem(at, `it is ${describe(at.value)}, not a mapping`, `Write fields below it: ${known.join(', ')}.`)
    return false
  }
  for (const name of Object.keys(at.value)) {
    if (known.includes(name)) continue
    const meant = closestName(name, known)
    problem(
      child(at, name),
      `there is no field "${name}" here`,
      meant === undefined ? `Remove it; known fields are ${known.join(', ')}.` : `Did you mean "${meant}"?`
    )
  }
  return true
}

/** The entries of a mapping with names of the author's choice. */
export function entries(at: At): readonly (readonly [string, At])[] {
  if (isAbsent(at)) return []
  if (!isObject(at.value)) {
    problem(at, `it is ${describe(at.value)}, not a mapping`, 'Write "name: value" below it.')
    return []
  }
  return Object.keys(at.value).map((name) => [name, child(at, name)])
}

export function items(at: At): readonly At[] {
  if (isAbsent(at)) return []
  if (!Array.isArray(at.value)) {
    problem(at, `it is ${describe(at.value)}, not a list`, 'Write it as a list: [a, b].')
    return []
  }
  return at.value.map((value: unknown, index) => ({ path: `${at.path}[${index}]`, value, report: at.report }))
}

/** A text; a plain integer counts as the text of its digits. Anything else would be a guess. */
export function textOf(at: At): string | undefined {
  if (typeof at.value === 'string' && at.value !== '') return at.value
  if (Number.isSafeInteger(at.value)) return String(at.value)
  if (isAbsent(at)) return problem(at, 'it is missing', 'Add it.')
  return problem(at, `it is ${describe(at.value)}, not a text`, 'Write a text; put it in quotes if it looks like something else.')
}

export function numberOf(at: At, { min, max, integer = false }: { min: number; max: number; integer?: boolean }): number | undefined {
  const kind = integer ? 'an integer' : 'a number'
  if (isAbsent(at)) return problem(at, 'it is missing', `Write ${kind} from ${min} to ${max}.`)
  const { value } = at
  if (typeof value !== 'number' || (integer ? !Number.isInteger(value) : !Number.isFinite(value)) || value < min || value > max) {
    return problem(at, `it is ${describe(value)}, not ${kind} from ${min} to ${max}`, `Write ${kind} from ${min} to ${max}.`)
  }
  return value
}

export function booleanOf(at: At): boolean | undefined {
  if (typeof at.value === 'boolean') return at.value
  return problem(at, `it is ${describe(at.value)}, not true or false`, 'Write true or false.')
}

export function oneOf<Option extends string>(at: At, options: readonly Option[]): Option | undefined {
  if (isAbsent(at)) return problem(at, 'it is missing', `Choose one of ${options.join(', ')}.`)
  const found = options.find((option) => option === at.value)
  if (found !== undefined) return found
  const meant = typeof at.value === 'string' ? closestName(at.value, options) : undefined
  return problem(
    at,
    `it is ${describe(at.value)}`,
    meant === undefined ? `Choose one of ${options.join(', ')}.` : `Did you mean "${meant}"? Choose one of ${options.join(', ')}.`
  )
}

/** A name that must be one of those declared elsewhere. */
export function reference(at: At, kind: string, declared: Iterable<string>): string | undefined {
  const name = textOf(at)
  if (name === undefined) return undefined
  const names = [...declared]
  if (names.includes(name)) return name
  const meant = closestName(name, names)
  return problem(
    at,
    `there is no ${kind} "${name}"`,
    meant === undefined ? `Declare it, or use one of ${names.join(', ')}.` : `Did you mean "${meant}"?`
  )
}

/** What stands there, short, and never a text that could be a secret. */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return value === '' ? 'an empty text' : value.length <= 40 ? `"${value}"` : 'a long text'
  return typeof value === 'object' ? 'a mapping' : String(value)
}

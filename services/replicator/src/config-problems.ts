import type { TSchema } from 'typebox'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'

/** typebox stops at 8 by default; an operator wants to mend everything in one round. */
const PROBLEMS_MAX = 1_000

/** Every place where a document does not have the shape of its schema, one line each: path, what is wrong. */
export function shapeProblems(schema: TSchema, document: unknown): string[] {
  Settings.Set({ maxErrors: PROBLEMS_MAX })
  const lines = new Set<string>()
  const choices = new Map<string, string[]>()
  for (const { keyword, instancePath, schemaPath, message, params } of Value.Errors(schema, document)) {
    const path = instancePath === '' ? '/' : instancePath
    if (keyword === 'additionalProperties') for (const name of listOf(params)) lines.add(`${instancePath}/${name}: there is no such setting`)
    // Says the same as the line above, or as the line about the whole choice below.
    else if (keyword === 'boolean') continue
    else if (/\/anyOf\/\d+$/.test(schemaPath)) choices.set(path, [...(choices.get(path) ?? []), ...allowedValue(params)])
    else if (keyword === 'anyOf') lines.add(`${path}: must be one of ${(choices.get(path) ?? []).join(', ')}`)
    else lines.add(`${path}: ${message}`)
  }
  return [...lines]
}

function listOf(params: object): readonly string[] {
  return 'additionalProperties' in params && Array.isArray(params.additionalProperties) ? params.additionalProperties.map(String) : []
}

function allowedValue(params: object): readonly string[] {
  return 'allowedValue' in params ? [String(params.allowedValue)] : []
}

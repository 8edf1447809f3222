/** Where a document breaks its schema, as a JSON Schema checker says it (typebox: `Value.Errors`). */
export interface ShapeError {
  readonly keyword: string
  readonly instancePath: string
  readonly schemaPath: string
  readonly message: string
  readonly params: object
}

/** A checker's own bound (typebox: 8) is too low: an operator wants to mend everything in one round. */
export const SETTING_PROBLEMS_MAX = 1_000

/** One line for each place where a configuration does not have the shape of its schema: path, what is wrong. */
export function settingProblems(errors: Iterable<ShapeError>): string[] {
  const lines = new Set<string>()
  const choices = new Map<string, string[]>()
  for (const { keyword, instancePath, schemaPath, message, params } of errors) {
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

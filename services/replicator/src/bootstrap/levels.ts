import { foreignKeyCycle } from './errors.ts'
import type { CatalogTable } from './protocol.ts'

export interface CopyOrder {
  /** `schema.name` → level; a level begins when all tables of the levels before it are exact. */
  readonly levels: ReadonlyMap<string, number>
  /** What the appliers' sessions have while the copy goes on. */
  readonly foreignKeyChecks: boolean
}

/**
 * Pure. Without cascades, foreign keys only check what the source has checked already: they can be off, and all tables are copied at
 * once. With cascades they have to be on, because the rows that a cascade changes are not in the streams; then a table waits for the
 * tables it refers to. @throws BOO_FOREIGN_KEY_CYCLE
 */
export function copyOrder(tables: readonly CatalogTable[]): CopyOrder {
  const names = new Set(tables.map(nameOf))
  const references = new Map(tables.map((table) => [nameOf(table), table.references.filter((parent) => names.has(nameOf(parent)))]))
  const cascades = [...references.values()].flat().some((parent) => parent.cascades)
  if (!cascades) return { levels: new Map([...names].map((name) => [name, 0])), foreignKeyChecks: false }
  const levels = new Map<string, number>()
  let open = [...names]
  for (let level = 0; open.length > 0; level += 1) {
    const ready = open.filter((name) => (references.get(name) ?? []).every((parent) => (levels.get(nameOf(parent)) ?? level) < level))
    if (ready.length === 0) {
      throw foreignKeyCycle({
        tables: open,
        fix: 'drop the foreign keys among these tables in the source cell and here, and add them again after the copy'
      })
    }
    for (const name of ready) levels.set(name, level)
    open = open.filter((name) => !levels.has(name))
  }
  return { levels, foreignKeyChecks: true }
}

export function nameOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`
}

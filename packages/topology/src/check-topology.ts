import { checkCells, checkCenter } from './check-cells.ts'
import { checkData } from './check-data.ts'
import { checkRoutes } from './check-routes.ts'
import { checkSecrets } from './check-secrets.ts'
import { checkPins, checkSpaces, type Spaces } from './check-spaces.ts'
import type { Checked, Problem, RouteConfig, SpaceConfig, Topology } from './config.ts'
import { isReservedName, type SpaceId } from './ids.ts'
import { type At, checkObject, child, isAbsent, isObject, problem, type Report, warning } from './report.ts'
import { joinPath, readDocument } from './yaml-document.ts'

/** Reads YAML or JSON text. Every problem is reported at once, with its line. */
export function parseTopology(text: string): Checked<Topology> {
  const read = readDocument(text)
  if (!read.ok) return { ok: false, problems: read.problems }
  const checked = checkTopology(read.value)
  const located = (problems: readonly Problem[]): readonly Problem[] => problems.map((found) => withLine(found, read.lines))
  return checked.ok ? { ...checked, warnings: located(checked.warnings) } : { ok: false, problems: located(checked.problems) }
}

/** Checks a document that is parsed already and fills in the defaults. Every problem is reported at once. */
export function checkTopology(document: unknown): Checked<Topology> {
  const report: Report = { problems: [], warnings: [] }
  const at: At = { path: '', value: document, report }
  if (!checkNames(document, '', report)) return { ok: false, problems: report.problems }
  if (!checkObject(at, ['apiVersion', 'cells', 'center', 'spaces', 'pins', 'routes', 'data'])) return { ok: false, problems: report.problems }
  checkVersion(child(at, 'apiVersion'))
  checkSecrets(at)
  const cells = checkCells(child(at, 'cells'))
  const center = checkCenter(child(at, 'center'), cells)
  const spaces = checkSpaces(child(at, 'spaces'), cells)
  const pins = checkPins(child(at, 'pins'), spaces, cells)
  const routes = checkRoutes(child(at, 'routes'), { cells, spaces })
  const data = checkData(child(at, 'data'), spaces)
  if (report.problems.length > 0) return { ok: false, problems: report.problems }
  warnOfPinnedIds(at, routes, pins)
  const value: Topology = { apiVersion: 'cellway/v1', cells: Object.fromEntries(cells), center, spaces: completeSpaces(spaces), pins, routes, data }
  return { ok: true, value, warnings: report.warnings }
}

function checkVersion(at: At): void {
  if (at.value === 'cellway/v1') return
  problem(at, isAbsent(at) ? 'it is missing' : 'this version is not known', 'Write apiVersion: cellway/v1.')
}

const DEPTH_MAX = 64

/** Names that are properties of every object, and nesting that no topology has; a parsed document may come from anywhere. */
function checkNames(value: unknown, path: string, report: Report, depth = 0): boolean {
  if (depth > DEPTH_MAX) {
    report.problems.push({ path: path.slice(0, 100), problem: `it is nested deeper than ${DEPTH_MAX} levels`, fix: 'Write it flatter.' })
    return false
  }
  if (Array.isArray(value)) return value.map((item: unknown, index) => checkNames(item, `${path}[${index}]`, report, depth + 1)).every(Boolean)
  if (!isObject(value)) return true
  let clean = true
  for (const [name, inner] of Object.entries(value)) {
    const at = joinPath(path, name)
    if (isReservedName(name)) {
      report.problems.push({ path: at, problem: `"${name}" cannot be a name`, fix: 'Choose another name.' })
      clean = false
    } else if (!checkNames(inner, at, report, depth + 1)) clean = false
  }
  return clean
}

/** An id carries a bucket number, but a pinned key's bucket has none: its ids would lead to the key's hash bucket. */
function warnOfPinnedIds(at: At, routes: readonly RouteConfig[], pins: Topology['pins']): void {
  for (const [index, route] of routes.entries()) {
    // An id that is asked first decides alone; behind another extractor the key of a pinned one has its chance.
    if (route.kind !== 'space' || route.key[0]?.kind !== 'id' || Object.keys(pins[route.space] ?? {}).length === 0) continue
    const keyAt: At = { ...at, path: `routes[${index}].key` }
    warning(
      keyAt,
      `ids of pinned keys of ${route.space} lead to the bucket that the key would have without its pin`,
      'Let an extractor of the key come before the id, and send the key with every request of a pinned one.'
    )
  }
}

/** Called without problems, so every space could be read. */
function completeSpaces(spaces: Spaces): Readonly<Record<SpaceId, SpaceConfig>> {
  return Object.fromEntries([...spaces].flatMap(([name, space]) => (space === undefined ? [] : [[name, space] as const])))
}

/** The line of the path, or of the closest parent that is in the text. */
function withLine(found: Problem, lines: ReadonlyMap<string, number>): Problem {
  let path = found.path
  while (path !== '' && !lines.has(path)) path = path.replace(/(?:\.?[^.[\]]+|\[[^\]]*\])$/, '')
  const line = lines.get(path)
  return line === undefined || path === '' ? found : { ...found, problem: `${found.problem} (line ${line})` }
}

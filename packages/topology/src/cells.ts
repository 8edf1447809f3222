import type { CellConfig, Topology } from './config.ts'
import { nearestPlace, type Place, type UnitVector, unitVector } from './geography.ts'
import type { CellId } from './ids.ts'

export function cellEntries(topology: Topology): readonly (readonly [CellId, CellConfig])[] {
  return Object.entries(topology.cells) as [CellId, CellConfig][]
}

export function activeCells(topology: Topology): readonly (readonly [CellId, CellConfig])[] {
  return cellEntries(topology).filter(([, cell]) => cell.role === 'active')
}

/** The number of each cell in bucket-carrying ids. */
export function cellNumbers(topology: Topology): Map<CellId, number> {
  return new Map(cellEntries(topology).map(([id, cell]) => [id, cell.number]))
}

export function activePlaces(topology: Topology): readonly Place<CellId>[] {
  return activeCells(topology).flatMap(([name, { location }]) => (location === undefined ? [] : [{ name, vector: unitVector(location) }]))
}

export function nearestActiveCell(topology: Topology, from: UnitVector): CellId | undefined {
  return nearestPlace(from, activePlaces(topology))
}

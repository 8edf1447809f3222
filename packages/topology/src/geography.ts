import type { Location } from './config.ts'

/** Seats of government of the 34 subdivisions in ISO 3166-2:CN; enough to tell which cell is near. */
const CN_SUBDIVISIONS: Readonly<Record<string, Location>> = {
  AH: [31.82, 117.23],
  BJ: [39.9, 116.41],
  CQ: [29.56, 106.55],
  FJ: [26.07, 119.3],
  GD: [23.13, 113.26],
  GS: [36.06, 103.83],
  GX: [22.82, 108.37],
  GZ: [26.65, 106.63],
  HA: [34.75, 113.63],
  HB: [30.59, 114.31],
  HE: [38.04, 114.51],
  HI: [20.04, 110.2],
  HK: [22.32, 114.17],
  HL: [45.8, 126.53],
  HN: [28.23, 112.94],
  JL: [43.82, 125.32],
  JS: [32.06, 118.8],
  JX: [28.68, 115.86],
  LN: [41.81, 123.43],
  MO: [22.2, 113.54],
  NM: [40.84, 111.75],
  NX: [38.49, 106.23],
  QH: [36.62, 101.78],
  SC: [30.57, 104.07],
  SD: [36.65, 117.12],
  SH: [31.23, 121.47],
  SN: [34.34, 108.94],
  SX: [37.87, 112.55],
  TJ: [39.13, 117.2],
  TW: [25.03, 121.57],
  XJ: [43.83, 87.62],
  XZ: [29.65, 91.14],
  YN: [25.04, 102.71],
  ZJ: [30.27, 120.16]
}

/** `bj`, `BJ`, `cn-bj` and `CN-BJ` are `BJ`; anything else is none of the 34. */
export function cnSubdivisionCode(value: string): string | undefined {
  const upper = value.toUpperCase()
  const code = upper.startsWith('CN-') ? upper.slice(3) : upper
  return Object.hasOwn(CN_SUBDIVISIONS, code) ? code : undefined
}

export function cnSubdivisionLocation(value: string): Location | undefined {
  const code = cnSubdivisionCode(value)
  return code === undefined ? undefined : CN_SUBDIVISIONS[code]
}

/** A point on the unit sphere: the nearest of many is the one with the largest dot product, without trigonometry per candidate. */
export type UnitVector = readonly [x: number, y: number, z: number]

export function unitVector([latitude, longitude]: Location): UnitVector {
  const phi = (latitude * Math.PI) / 180
  const lambda = (longitude * Math.PI) / 180
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)]
}

export interface Place<Name> {
  readonly name: Name
  readonly vector: UnitVector
}

/** The first of equals wins, so that the order in the file decides a tie. */
export function nearestPlace<Name>(from: UnitVector, places: readonly Place<Name>[]): Name | undefined {
  let nearest: Name | undefined
  let closest = Number.NEGATIVE_INFINITY
  for (const { name, vector } of places) {
    const closeness = from[0] * vector[0] + from[1] * vector[1] + from[2] * vector[2]
    if (closeness > closest) {
      closest = closeness
      nearest = name
    }
  }
  return nearest
}

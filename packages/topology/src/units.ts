const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const SIZE_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** `2s`, `500ms`, `1m`, `1.5h` in milliseconds; undefined if it is none. A bare number has no unit, so it is none. */
export function parseDurationMs(text: string): number | undefined {
  return scaled(text, /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/, DURATION_MS)
}

/** `16MiB`, `512KiB`, `100B` in bytes; undefined if it is none. */
export function parseSizeBytes(text: string): number | undefined {
  return scaled(text, /^(\d{1,9})(B|KiB|MiB|GiB)$/, SIZE_BYTES)
}

function scaled(text: string, form: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const [, amount, unit] = form.exec(text) ?? []
  if (amount === undefined || unit === undefined) return undefined
  const value = Number(amount) * (units[unit] ?? Number.NaN)
  return Number.isInteger(value) ? value : undefined
}

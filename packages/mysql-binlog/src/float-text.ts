const FLOAT_NORMAL_MIN = 2 ** -126

/**
 * The number whose text is the shortest decimal that means this 32-bit float: 1.1, and not 1.100000023841858. What the server
 * stores back from that text is the same float.
 */
export function shortestFloat32(value: number): number {
  // Whole numbers of up to 24 bits, zeros of both signs, infinities and NaN are exact already.
  if (!Number.isFinite(value) || (Number.isInteger(value) && Math.abs(value) <= 0x100_0000)) return value
  // Six digits are always told apart, and trailing zeros of them fall off; subnormal floats have fewer.
  for (let digits = Math.abs(value) < FLOAT_NORMAL_MIN ? 1 : 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits))
    if (Math.fround(candidate) === value) return candidate
  }
  return Number(value.toPrecision(9))
}

/** Largest power of ten that the server still writes without an exponent. */
const PLAIN_EXPONENT_MAX = 15

/**
 * A double as MySQL writes it in JSON text: shortest digits, `e` only beyond 15 places, and always something that tells it from
 * an integer (`1.0`), since the type would change otherwise when the text is stored again.
 */
export function jsonDoubleText(value: number): string {
  const [mantissa = '', exponentText = '0'] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '')
  const point = Number(exponentText) + 1
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  if (value === 0) return `${sign}0.0`
  if (point < 1 - PLAIN_EXPONENT_MAX || (point > PLAIN_EXPONENT_MAX && digits.length <= point)) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${sign}${digits[0]}${fraction}e${point - 1}`
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  if (digits.length <= point) return `${sign}${digits.padEnd(point, '0')}.0`
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}

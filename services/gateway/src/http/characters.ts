/** Which bytes may stand where (RFC 9110 5.6.2, 5.5), as tables: looking up is the parser's innermost loop. */

const TOKEN_SIGNS = "!#$%&'*+-.^_`|~"

/** 1 where the byte may be part of a method or of a header's name. */
export const TOKEN: Uint8Array = tableOf((code) => isAlphanumeric(code) || (code < 0x80 && TOKEN_SIGNS.includes(String.fromCharCode(code))))

/** 1 where the byte may be part of a header's value or of any other line: no control character but the tab. */
export const TEXT: Uint8Array = tableOf((code) => code === 0x09 || (code >= 0x20 && code !== 0x7f))

/** 1 where the byte may be part of a request target: no blank and nothing that has no shape. Narrower rules are in `target.ts`. */
export const VISIBLE: Uint8Array = tableOf((code) => code > 0x20 && code !== 0x7f)

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const COLON = 0x3a

function isAlphanumeric(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)
}

function tableOf(allows: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (allows(code) ? 1 : 0))
}

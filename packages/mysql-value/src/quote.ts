/** Exact literals and names, for sessions that ran `SESSION_SQL`. */

const EMPTY = "''"

/** Text that reads the same in every session: printable ASCII without quotes and backslashes. */
const NOT_PLAIN = /[^ !#-&(-[\]-~"]/

export function isPlainText(text: string): boolean {
  return !NOT_PLAIN.test(text)
}

/** A name in backticks. Dots stay part of the name. */
export function quoteIdentifier(name: string): string {
  return name.includes('`') ? `\`${name.replaceAll('`', '``')}\`` : `\`${name}\``
}

/** A text literal of the session's character set, utf8mb4. Holds under every sql_mode: no quote or backslash is ever written as such. */
export function quoteText(text: string): string {
  return NOT_PLAIN.test(text) ? `_utf8mb4 X'${Buffer.from(text, 'utf8').toString('hex')}'` : `'${text}'`
}

/** Bytes as they are; with a character set they are text in it. */
export function quoteBytes(bytes: Uint8Array, characterSet = ''): string {
  if (bytes.length === 0) return EMPTY
  const hex = asBuffer(bytes).toString('hex')
  return characterSet === '' || characterSet === 'binary' ? `X'${hex}'` : `_${characterSet} X'${hex}'`
}

/** `schema`.`table` */
export function quoteTable({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

/** The same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Texts within what a server says about its schema. They are escaped with backslashes, whatever the sql_mode of the session is. */
import { quoteText } from './quote.ts'

/** `'…'` with its content; `b'…'` and `x'…'` are numbers and bytes, and `_latin1'…'` names the character set that the literal had. */
const LITERAL = /(\b[bx]|_\w+ ?)?'((?:[^'\\]|\\.|'')*)'/gis

const ESCAPED: Readonly<Record<string, string>> = { '0': '\0', n: '\n', r: '\r', t: '\t', b: '\b', Z: '\x1a' }

/** What stands between the quotes. */
export function unescapeServerText(text: string): string {
  return text.includes('\\') || text.includes("''")
    ? text.replace(/\\(.)|''/gs, (_found, letter?: string) => (letter === undefined ? "'" : (ESCAPED[letter] ?? letter)))
    : text
}

/** The same expression with literals that mean the same under every sql_mode. */
export function neutralSql(expression: string): string {
  return expression.replace(LITERAL, (found, prefix: string | undefined, content: string) => {
    if (prefix !== undefined && !prefix.startsWith('_')) return found
    const quoted = quoteText(unescapeServerText(content))
    // A literal with a character set of its own was printed as UTF-8, so it is one of that now.
    return prefix === undefined || quoted.startsWith('_') ? quoted : `${prefix}${quoted}`
  })
}

/** `'a','b,c','d''e'`, as in the parentheses of an ENUM or SET. */
export function serverLabels(inner: string): string[] {
  return [...inner.matchAll(/'((?:[^'\\]|\\.|'')*)'/gs)].map(([, label = '']) => unescapeServerText(label))
}

/** How a server spells a label. */
export function serverLabel(label: string): string {
  return `'${label.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\0', '\\0')}'`
}

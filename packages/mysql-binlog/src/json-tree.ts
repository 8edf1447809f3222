/** A JSON document as MySQL holds it: scalars as their exact text, keys in the server's order. */
export type JsonNode =
  | { readonly kind: 'scalar'; readonly text: string }
  | { readonly kind: 'array'; readonly items: JsonNode[] }
  | { readonly kind: 'object'; readonly members: { readonly key: string; value: JsonNode }[] }

/** As the server prints it: `{"a": [1, 2]}`. */
export function jsonText(node: JsonNode): string {
  switch (node.kind) {
    case 'scalar':
      return node.text
    case 'array':
      return `[${node.items.map(jsonText).join(', ')}]`
    case 'object':
      return `{${node.members.map(({ key, value }) => `${JSON.stringify(key)}: ${jsonText(value)}`).join(', ')}}`
  }
}

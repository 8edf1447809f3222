/** JSON Schemas that more than one route uses. Unknown fields of a body are refused, so that a typing error does not vanish. */

/** No `:` or braces, because the id becomes part of Redis keys; no white space, because nobody means it. */
export const USER_ID = { type: 'string', minLength: 1, maxLength: 64, pattern: '^[^\\s:{}]+$' } as const
/** Ids are 64-bit: always strings, since a JSON number above 2^53 is rounded by most readers. */
export const ID = { type: 'string', pattern: '^[1-9][0-9]{0,18}$' } as const

const OUT_ID = { type: 'string' } as const
const OUT_TIME = { type: 'string', format: 'date-time' } as const
const OUT_TEXT = { type: 'string' } as const
const OUT_TEXT_OR_NULL = { type: ['string', 'null'] } as const
const OUT_INTEGER = { type: 'integer' } as const

export const USER_OUT = record({
  id: OUT_TEXT,
  name: OUT_TEXT,
  email: OUT_TEXT_OR_NULL,
  city: OUT_TEXT_OR_NULL,
  createdAt: OUT_TIME,
  updatedAt: OUT_TIME
})
export const ORDER_OUT = record({
  orderNo: OUT_ID,
  userId: OUT_TEXT,
  productId: OUT_ID,
  quantity: OUT_INTEGER,
  amountCents: OUT_INTEGER,
  note: OUT_TEXT_OR_NULL,
  createdAt: OUT_TIME
})
export const SHOP_OUT = record({ id: OUT_ID, area: OUT_TEXT, name: OUT_TEXT, address: OUT_TEXT, createdAt: OUT_TIME })
export const POST_OUT = record({ id: OUT_ID, business: OUT_TEXT, author: OUT_TEXT, title: OUT_TEXT, body: OUT_TEXT, createdAt: OUT_TIME })
export const PRODUCT_OUT = record({ id: OUT_ID, name: OUT_TEXT, description: OUT_TEXT, priceCents: OUT_INTEGER, stock: OUT_INTEGER })

export const PAGE_QUERY = {
  type: 'object',
  properties: { limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 }, before: ID }
} as const

export interface Page {
  readonly limit: number
  /** Id of the last row of the page before; rows come newest first. */
  readonly before?: string
}

/** The answer of a route: the named parts and the cell that served it. */
export function answer(parts: Record<string, unknown>) {
  return { type: 'object', required: [...Object.keys(parts), 'servedBy'], properties: { ...parts, servedBy: OUT_TEXT } }
}

export function listOf(item: unknown) {
  return { type: 'array', items: item }
}

/** A body whose fields are all known; those in `required` must be there. */
export function body(required: readonly string[], properties: Record<string, unknown>) {
  return { type: 'object', required, additionalProperties: false, properties }
}

export function params(properties: Record<string, unknown>) {
  return { type: 'object', required: Object.keys(properties), properties }
}

function record(properties: Record<string, unknown>) {
  return { type: 'object', required: Object.keys(properties), properties }
}

import { bucketOfKey, decodeBucketId } from '@cellway/topology'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AppDeps } from '../app.ts'
import { requireBucket, requireKey } from '../cellway.ts'
import { keyMismatch, notFound, unknownProduct } from '../errors.ts'
import { answer, body, ID, listOf, ORDER_OUT, PAGE_QUERY, type Page, params, USER_ID } from '../schemas.ts'

interface Order {
  readonly orderNo: string
  readonly userId: string
  readonly productId: string
  readonly quantity: number
  readonly amountCents: number
  readonly note: string | null
  readonly createdAt: Date
}

interface NewOrder {
  readonly productId: string
  readonly quantity: number
  readonly note?: string
}

const SELECT = `SELECT order_no AS orderNo, user_id AS userId, product_id AS productId, quantity,
  CAST(amount_cents AS DOUBLE) AS amountCents, note, created_at AS createdAt FROM orders`

const USERS = { cellway: { space: 'users' } } as const
const USER_PARAMS = params({ id: USER_ID })
const NEW_ORDER = body(['productId', 'quantity'], {
  productId: ID,
  quantity: { type: 'integer', minimum: 1, maximum: 1000 },
  note: { type: 'string', maxLength: 500 }
})

/** Orders: sharded with their user. The number of an order carries the user's bucket, so the number alone finds the cell. */
export function orderRoutes(app: FastifyInstance, { db, newId, userBuckets }: AppDeps): void {
  app.post<{ Params: { id: string }; Body: NewOrder }>(
    '/api/users/:id/orders',
    { config: USERS, schema: { params: USER_PARAMS, body: NEW_ORDER, response: { 201: answer({ order: ORDER_OUT }) } } },
    async (request, reply) => {
      const userId = request.params.id
      requireKey(request, userId)
      const { productId, quantity, note = null } = request.body
      const [product] = await db.rows<{ priceCents: number }>('SELECT price_cents AS priceCents FROM products WHERE id = ?', [productId])
      if (product === undefined) throw unknownProduct({ productId })
      const order: Order = {
        orderNo: newId(numericBucket(requireBucket(request), userId, userBuckets)).toString(),
        userId,
        productId,
        quantity,
        amountCents: product.priceCents * quantity,
        note,
        createdAt: new Date()
      }
      await db.run('INSERT INTO orders (order_no, user_id, product_id, quantity, amount_cents, note, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)', [
        order.orderNo,
        userId,
        productId,
        quantity,
        order.amountCents,
        note,
        order.createdAt
      ])
      return reply.status(201).header('location', `/api/orders/${order.orderNo}`).send({ order })
    }
  )

  app.get<{ Params: { id: string }; Querystring: Page }>(
    '/api/users/:id/orders',
    { config: USERS, schema: { params: USER_PARAMS, querystring: PAGE_QUERY, response: { 200: answer({ orders: listOf(ORDER_OUT) }) } } },
    async (request) => {
      const { id } = request.params
      requireKey(request, id)
      const { limit, before = MAX_ID } = request.query
      const orders = await db.rows<Order>(`${SELECT} WHERE user_id = ? AND order_no < ? ORDER BY order_no DESC LIMIT ?`, [id, before, String(limit)])
      return { orders }
    }
  )

  app.get<{ Params: { order_no: string } }>(
    '/api/orders/:order_no',
    { config: USERS, schema: { params: params({ order_no: ID }), response: { 200: answer({ order: ORDER_OUT }) } } },
    async (request) => {
      const orderNo = request.params.order_no
      requireOrderBucket(request, orderNo)
      const [order] = await db.rows<Order>(`${SELECT} WHERE order_no = ?`, [orderNo])
      if (order === undefined || !mayBelongTo(request, order)) throw notFound({ what: 'order', id: orderNo })
      return { order }
    }
  )
}

/** Above every id: they have 63 bits. */
const MAX_ID = '9223372036854775807'

/**
 * The bucket an order number carries. A pinned user's bucket has a name (`pin:vip-42`) and no number; the number of the
 * hash bucket the user would be in is taken. Such an order is found by its number through `GET /api/orders/…` only when the
 * request also names the user (header, cookie, …), because the number alone leads to the owner of that hash bucket.
 */
function numericBucket(bucket: string, userId: string, userBuckets: number): number {
  return /^\d+$/.test(bucket) ? Number(bucket) : bucketOfKey(userId, userBuckets)
}

/** Routed by the number alone: then the number's bucket is the context's. Routed by the user: the order is checked later. */
function requireOrderBucket(request: FastifyRequest, orderNo: string): void {
  const routedBy = requireBucket(request)
  if (request.cellway?.key !== undefined) return
  const carried = String(decodeBucketId(BigInt(orderNo)).bucket)
  if (carried !== routedBy)
    throw keyMismatch({ routedBy: `bucket ${routedBy}`, requested: `bucket ${carried}`, fix: 'route this path by {id: order_no}' })
}

function mayBelongTo(request: FastifyRequest, order: Order): boolean {
  const user = request.cellway?.key
  return user === undefined || user === order.userId
}

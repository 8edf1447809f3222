import type { FastifyInstance } from 'fastify'
import type { AppDeps } from '../app.ts'
import { requireKey } from '../cellway.ts'
import { answer, body, params, USER_ID } from '../schemas.ts'

interface Cart {
  /** Product id → quantity. */
  readonly items: Readonly<Record<string, number>>
}

/** An abandoned cart is forgotten after 30 days. */
const CART_TTL_SECONDS = 30 * 24 * 3600

const USERS = { cellway: { space: 'users' } } as const
const PARAMS = params({ id: USER_ID })
const ITEMS = { type: 'object', additionalProperties: { type: 'integer' } } as const
const CART = body(['items'], {
  items: {
    type: 'object',
    minProperties: 1,
    maxProperties: 100,
    additionalProperties: { type: 'integer', minimum: 1, maximum: 1000 },
    propertyNames: { pattern: '^[1-9][0-9]{0,18}$' }
  }
})
const CART_ANSWER = { 200: answer({ items: ITEMS }) }
const COUNTER_ANSWER = { 200: answer({ counter: { type: 'integer' } }) }

/** Per-user counter and cart: sharded by user id, in Redis, under `user:<id>:…`. */
export function cartRoutes(app: FastifyInstance, { redis }: AppDeps): void {
  app.post<{ Params: { id: string } }>(
    '/api/users/:id/counter',
    { config: USERS, schema: { params: PARAMS, response: COUNTER_ANSWER } },
    async (request) => {
      requireKey(request, request.params.id)
      return { counter: await redis.incr(counterKey(request.params.id)) }
    }
  )

  app.get<{ Params: { id: string } }>(
    '/api/users/:id/counter',
    { config: USERS, schema: { params: PARAMS, response: COUNTER_ANSWER } },
    async (request) => {
      requireKey(request, request.params.id)
      return { counter: Number((await redis.get(counterKey(request.params.id))) ?? 0) }
    }
  )

  app.get<{ Params: { id: string } }>(
    '/api/users/:id/cart',
    { config: USERS, schema: { params: PARAMS, response: CART_ANSWER } },
    async (request) => {
      requireKey(request, request.params.id)
      const stored = await redis.hgetall(cartKey(request.params.id))
      return { items: Object.fromEntries(Object.entries(stored).map(([product, quantity]) => [product, Number(quantity)])) }
    }
  )

  app.put<{ Params: { id: string }; Body: Cart }>(
    '/api/users/:id/cart',
    { config: USERS, schema: { params: PARAMS, body: CART, response: CART_ANSWER } },
    async (request) => {
      requireKey(request, request.params.id)
      const key = cartKey(request.params.id)
      const { items } = request.body
      // One MULTI: nobody, and no other cell, ever sees half a cart.
      const results = await redis.multi().del(key).hset(key, items).expire(key, CART_TTL_SECONDS).exec()
      const failed = results?.find(([error]) => error !== null)?.[0]
      if (failed) throw failed
      return { items }
    }
  )

  app.delete<{ Params: { id: string } }>(
    '/api/users/:id/cart',
    { config: USERS, schema: { params: PARAMS, response: CART_ANSWER } },
    async (request) => {
      requireKey(request, request.params.id)
      await redis.del(cartKey(request.params.id))
      return { items: {} }
    }
  )
}

function counterKey(userId: string): string {
  return `user:${userId}:counter`
}

function cartKey(userId: string): string {
  return `user:${userId}:cart`
}

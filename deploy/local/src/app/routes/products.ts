import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'
import type { AppDeps } from '../app.ts'
import { requireBucket } from '../cellway.ts'
import { notFound, stockTooLow } from '../errors.ts'
import { answer, body, ID, listOf, PRODUCT_OUT, params } from '../schemas.ts'
import type { Statements } from '../stores.ts'

interface Product {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly priceCents: number
  readonly stock: number
}

const SELECT = `SELECT p.id, p.name, p.description, p.price_cents AS priceCents, COALESCE(s.quantity, 0) AS stock
  FROM products p LEFT JOIN stock s ON s.product_id = p.id`

/** Stock in a cached product may be this old. The cache is local to the cell, so only the cell that writes can empty it at once. */
const CACHE_TTL_SECONDS = 2

const GLOBAL = { cellway: { space: 'global' } } as const
const PARAMS = params({ id: ID })
const STOCK_CHANGE = body(['delta'], { delta: { type: 'integer', minimum: -1_000_000, maximum: 1_000_000 } })

/** Products and stock: global data. One cell writes; every cell reads its own copy. */
export function productRoutes(app: FastifyInstance, { db, redis }: AppDeps): void {
  app.get('/api/products', { config: GLOBAL, schema: { response: { 200: answer({ products: listOf(PRODUCT_OUT) }) } } }, async () => {
    return { products: await db.rows<Product>(`${SELECT} ORDER BY p.id LIMIT 100`, []) }
  })

  app.get<{ Params: { id: string } }>(
    '/api/products/:id',
    { config: GLOBAL, schema: { params: PARAMS, response: { 200: answer({ product: PRODUCT_OUT, cached: { type: 'boolean' } }) } } },
    async (request) => {
      const { id } = request.params
      const cached = await readCache(redis, id, request.log)
      if (cached !== undefined) return { product: cached, cached: true }
      const [product] = await db.rows<Product>(`${SELECT} WHERE p.id = ?`, [id])
      if (product === undefined) throw notFound({ what: 'product', id })
      await writeCache(redis, product, request.log)
      return { product, cached: false }
    }
  )

  app.post<{ Params: { id: string }; Body: { delta: number } }>(
    '/api/products/:id/stock',
    {
      config: GLOBAL,
      schema: { params: PARAMS, body: STOCK_CHANGE, response: { 200: answer({ productId: { type: 'string' }, stock: { type: 'integer' } }) } }
    },
    async (request) => {
      requireBucket(request)
      const { id } = request.params
      const stock = await db.transaction((statements) => changeStock(statements, id, request.body.delta))
      // After the commit: emptied before, a reader could fill it again with the old number.
      await dropCache(redis, id, request.log)
      return { productId: id, stock }
    }
  )
}

/** Locks the row first, so that of two buyers of the last piece one waits and is then refused. */
async function changeStock(statements: Statements, productId: string, delta: number): Promise<number> {
  const [row] = await statements.rows<{ quantity: number }>('SELECT quantity FROM stock WHERE product_id = ? FOR UPDATE', [productId])
  if (row === undefined) throw notFound({ what: 'product', id: productId })
  const quantity = row.quantity + delta
  if (quantity < 0) throw stockTooLow({ productId, available: row.quantity, delta })
  await statements.run('UPDATE stock SET quantity = ?, updated_at = ? WHERE product_id = ?', [quantity, new Date(), productId])
  return quantity
}

async function readCache(redis: Redis, id: string, log: FastifyBaseLogger): Promise<Product | undefined> {
  try {
    const text = await redis.get(cacheKey(id))
    return text === null ? undefined : (JSON.parse(text) as Product)
  } catch (error) {
    log.warn({ err: error, productId: id }, 'cache read failed')
    return undefined
  }
}

async function writeCache(redis: Redis, product: Product, log: FastifyBaseLogger): Promise<void> {
  try {
    await redis.set(cacheKey(product.id), JSON.stringify(product), 'EX', CACHE_TTL_SECONDS)
  } catch (error) {
    log.warn({ err: error, productId: product.id }, 'cache write failed')
  }
}

/** A failure here is not one of the request: the stock is committed, and the cache forgets by itself. */
async function dropCache(redis: Redis, id: string, log: FastifyBaseLogger): Promise<void> {
  try {
    await redis.del(cacheKey(id))
  } catch (error) {
    log.warn({ err: error, productId: id }, 'cache invalidation failed')
  }
}

function cacheKey(productId: string): string {
  return `cache:product:${productId}`
}

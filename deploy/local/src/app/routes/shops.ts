import { bucketOfKey } from '@cellway/topology'
import type { FastifyInstance } from 'fastify'
import type { AppDeps } from '../app.ts'
import { requireBucket } from '../cellway.ts'
import { answer, body, listOf, PAGE_QUERY, type Page, SHOP_OUT } from '../schemas.ts'

interface Shop {
  readonly id: string
  readonly area: string
  readonly name: string
  readonly address: string
  readonly createdAt: Date
}

const AREAS = { cellway: { space: 'areas' } } as const
const NEW_SHOP = body(['name', 'address'], {
  name: { type: 'string', minLength: 1, maxLength: 120 },
  address: { type: 'string', minLength: 1, maxLength: 240 }
})

/** Shops: divided by area. The area is never in the body: it is the bucket the gateway found (header, GeoIP or coordinates). */
export function shopRoutes(app: FastifyInstance, { db, newId }: AppDeps): void {
  app.get<{ Querystring: Page }>(
    '/api/shops',
    { config: AREAS, schema: { querystring: PAGE_QUERY, response: { 200: answer({ area: { type: 'string' }, shops: listOf(SHOP_OUT) }) } } },
    async (request) => {
      const area = requireBucket(request)
      const { limit, before = '9223372036854775807' } = request.query
      const shops = await db.rows<Shop>(
        'SELECT id, area, name, address, created_at AS createdAt FROM shops WHERE area = ? AND id < ? ORDER BY id DESC LIMIT ?',
        [area, before, String(limit)]
      )
      return { area, shops }
    }
  )

  app.post<{ Body: Pick<Shop, 'name' | 'address'> }>(
    '/api/shops',
    { config: AREAS, schema: { body: NEW_SHOP, response: { 201: answer({ shop: SHOP_OUT }) } } },
    async (request, reply) => {
      const area = requireBucket(request)
      const { name, address } = request.body
      // The bucket inside the id is only there to spread; shops are found by area, never by id alone.
      const shop: Shop = { id: newId(bucketOfKey(area, 1024)).toString(), area, name, address, createdAt: new Date() }
      await db.run('INSERT INTO shops (id, area, name, address, created_at) VALUES (?, ?, ?, ?, ?)', [shop.id, area, name, address, shop.createdAt])
      return reply.status(201).send({ shop })
    }
  )
}

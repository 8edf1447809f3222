import type { FastifyInstance } from 'fastify'
import type { AppDeps } from '../app.ts'
import { requireKey } from '../cellway.ts'
import { notFound } from '../errors.ts'
import { answer, body, params, USER_ID, USER_OUT } from '../schemas.ts'

interface User {
  readonly id: string
  readonly name: string
  readonly email: string | null
  readonly city: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

interface Profile {
  readonly name: string
  readonly email?: string
  readonly city?: string
}

const SELECT = 'SELECT id, name, email, city, created_at AS createdAt, updated_at AS updatedAt FROM users WHERE id = ?'

const USERS = { cellway: { space: 'users' } } as const
const PARAMS = params({ id: USER_ID })
const PROFILE = body(['name'], {
  name: { type: 'string', minLength: 1, maxLength: 120 },
  email: { type: 'string', format: 'email', maxLength: 254 },
  city: { type: 'string', minLength: 1, maxLength: 80 }
})

/** User profiles: sharded by user id, in MySQL. */
export function userRoutes(app: FastifyInstance, { db }: AppDeps): void {
  app.get<{ Params: { id: string } }>(
    '/api/users/:id',
    { config: USERS, schema: { params: PARAMS, response: { 200: answer({ user: USER_OUT }) } } },
    async (request) => {
      const { id } = request.params
      requireKey(request, id)
      const [user] = await db.rows<User>(SELECT, [id])
      if (user === undefined) throw notFound({ what: 'user', id })
      return { user }
    }
  )

  app.put<{ Params: { id: string }; Body: Profile }>(
    '/api/users/:id',
    { config: USERS, schema: { params: PARAMS, body: PROFILE, response: { 200: answer({ user: USER_OUT }) } } },
    async (request) => {
      const { id } = request.params
      requireKey(request, id)
      const { name, email = null, city = null } = request.body
      const now = new Date()
      await db.run(
        `INSERT INTO users (id, name, email, city, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE name = VALUES(name), email = VALUES(email), city = VALUES(city), updated_at = VALUES(updated_at)`,
        [id, name, email, city, now, now]
      )
      const [user] = await db.rows<User>(SELECT, [id])
      return { user }
    }
  )
}

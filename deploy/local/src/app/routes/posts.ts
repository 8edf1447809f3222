import { bucketOfKey } from '@cellway/topology'
import type { FastifyInstance } from 'fastify'
import type { AppDeps } from '../app.ts'
import { requireBucket } from '../cellway.ts'
import { answer, body, listOf, PAGE_QUERY, type Page, POST_OUT, USER_ID } from '../schemas.ts'

interface Post {
  readonly id: string
  readonly business: string
  readonly author: string
  readonly title: string
  readonly body: string
  readonly createdAt: Date
}

const BUSINESS = { cellway: { space: 'business' } } as const
const NEW_POST = body(['author', 'title', 'body'], {
  author: USER_ID,
  title: { type: 'string', minLength: 1, maxLength: 200 },
  body: { type: 'string', minLength: 1, maxLength: 10_000 }
})

/** Community posts: divided by business type, so one cell serves all of them. */
export function postRoutes(app: FastifyInstance, { db, newId }: AppDeps): void {
  app.get<{ Querystring: Page }>(
    '/api/community/posts',
    { config: BUSINESS, schema: { querystring: PAGE_QUERY, response: { 200: answer({ posts: listOf(POST_OUT) }) } } },
    async (request) => {
      const { limit, before = '9223372036854775807' } = request.query
      const posts = await db.rows<Post>(
        'SELECT id, business, author, title, body, created_at AS createdAt FROM posts WHERE business = ? AND id < ? ORDER BY id DESC LIMIT ?',
        [requireBucket(request), before, String(limit)]
      )
      return { posts }
    }
  )

  app.post<{ Body: Pick<Post, 'author' | 'title' | 'body'> }>(
    '/api/community/posts',
    { config: BUSINESS, schema: { body: NEW_POST, response: { 201: answer({ post: POST_OUT }) } } },
    async (request, reply) => {
      const business = requireBucket(request)
      const { author, title, body } = request.body
      const post: Post = { id: newId(bucketOfKey(business, 1024)).toString(), business, author, title, body, createdAt: new Date() }
      await db.run('INSERT INTO posts (id, business, author, title, body, created_at) VALUES (?, ?, ?, ?, ?, ?)', [
        post.id,
        business,
        author,
        title,
        body,
        post.createdAt
      ])
      return reply.status(201).send({ post })
    }
  )
}

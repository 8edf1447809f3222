import type { FastifyRequest } from 'fastify'
import { wrongCell } from '../errors.ts'
import type { Role, TokenRecord } from '../tokens/token.ts'

/** Who may make a call. `public` needs no token. */
export type Access = 'public' | readonly Role[]

/** Everybody who may look, not the processes. */
export const VIEWERS: Access = ['viewer', 'operator', 'approver', 'admin']
/** The processes of a cell, for their own cell, and everybody who may look. */
export const AGENTS_AND_VIEWERS: Access = ['agent', 'viewer', 'operator', 'approver', 'admin']
/** Only what speaks for a cell; an admin may stand in for it. */
export const AGENTS: Access = ['agent', 'admin']
export const OPERATORS: Access = ['operator', 'admin']
export const ADMINS: Access = ['admin']

/** An agent speaks for its own cell only. @throws CTL_WRONG_CELL */
export function checkCell(request: FastifyRequest, cell: string): void {
  const tokenCell = request.token?.cell
  if (tokenCell !== undefined && tokenCell !== cell) throw wrongCell({ tokenCell, cell })
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** A command: its refused attempts are audited under this name. */
    action?: string
  }
  interface FastifyRequest {
    token: TokenRecord | null
  }
}

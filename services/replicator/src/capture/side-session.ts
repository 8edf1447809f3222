import { isCellwayError } from '@cellway/base'
import type { Flavour } from '@cellway/mysql-value'
import type { MysqlConfig, Session } from '../store/session.ts'
import { openSession } from '../store/session.ts'

/** A session beside the dump, for the dictionary and the status of the source; made again when it is lost. */
export class SideSession implements AsyncDisposable {
  readonly #mysql: MysqlConfig
  readonly #signal: AbortSignal
  #session: Promise<Session> | undefined

  constructor(mysql: MysqlConfig, signal: AbortSignal) {
    this.#mysql = mysql
    this.#signal = signal
  }

  /** @throws STO_CONNECT_FAILED, STO_STATEMENT_FAILED, STO_CONNECTION_LOST, STO_TIMEOUT, the signal's reason */
  async with<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const had = this.#session !== undefined
    try {
      return await work(await this.#open())
    } catch (cause) {
      const isLost = isCellwayError(cause) && cause.code !== 'STO_STATEMENT_FAILED'
      if (!isLost) throw cause
      await this.#drop()
      // One that had been open for a while may have been dead for long; a new one that fails says something.
      if (!had) throw cause
      return work(await this.#open())
    }
  }

  async flavour(): Promise<Flavour> {
    return this.with(async (session) => session.flavour)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#drop()
  }

  #open(): Promise<Session> {
    this.#session ??= openSession(this.#mysql, { role: 'plain', signal: this.#signal })
    return this.#session
  }

  async #drop(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    try {
      await (await session)?.close()
    } catch {
      // It never was open: whoever asked for it has been told.
    }
  }
}

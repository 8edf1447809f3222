import type { Clock } from '@cellway/base'
import type { EmbeddedLog } from '@cellway/log'
import type { Logger, Metrics } from '@cellway/telemetry'
import type { Budget } from './budget.ts'
import type { CenterConfig } from './config.ts'
import type { ReaderReports } from './reader-reports.ts'
import type { Links } from './streams/links.ts'
import type { Tokens } from './tokens.ts'

/** What one center process is made of; the routes take what they need. */
export interface CenterParts {
  readonly config: CenterConfig
  readonly log: EmbeddedLog
  readonly tokens: Tokens
  readonly reports: ReaderReports
  readonly links: Links
  /** Of all records that are taken and not yet durable. */
  readonly budget: Budget
  readonly metrics: Metrics
  readonly logger: Logger
  readonly clock: Clock
  /** Why the center should get no calls, for people; undefined when it may. */
  notReady(): Promise<NotReady | undefined>
}

export interface NotReady {
  readonly code: string
  readonly reason: string
}

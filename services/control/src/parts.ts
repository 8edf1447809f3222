import type { Clock } from '@cellway/base'
import type { Store } from '@cellway/store'
import type { Logger, Metrics } from '@cellway/telemetry'
import type { Commands } from './commands.ts'
import type { Members } from './members.ts'
import type { Reports } from './reports.ts'
import type { CurrentState } from './state/current.ts'
import type { TokenRegistry } from './tokens/token-registry.ts'
import type { WatchHub } from './watch/watch-hub.ts'

/** What one control process is made of; the routes take what they need. */
export interface ControlParts {
  readonly store: Store
  readonly state: CurrentState
  readonly tokens: TokenRegistry
  readonly commands: Commands
  readonly members: Members
  /** What the replicators say about themselves. */
  readonly reports: Reports
  readonly hub: WatchHub
  readonly metrics: Metrics
  readonly logger: Logger
  readonly clock: Clock
  /** Why it takes no more work; undefined while it does. */
  readonly notReady: () => string | undefined
  /** The store can no longer be trusted: ends the process, so that opening it again shows what is durable. */
  readonly onStoreFailure: (cause: unknown) => void
}

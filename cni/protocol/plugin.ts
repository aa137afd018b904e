import type { Logger } from 'pino'
import type { NetworkConfiguration } from './configuration.ts'
import type { CniEnvironment } from './environment.ts'
import type { CniResult } from './result.ts'

/** One call of a plugin after everything common has been checked. */
export interface CniCall extends CniEnvironment {
  readonly conf: NetworkConfiguration
  /** The variables handed to delegates besides the CNI_ ones in CniEnvironment. */
  readonly environment: Readonly<Record<string, string>>
  readonly log?: Logger | undefined
  /** What of the overlay is wrong, as the agent sees it; undefined while it is well. */
  readonly overlayTrouble?: (() => string | undefined) | undefined
  /** Every type of this program, for delegation without another process. */
  readonly plugins?: ReadonlyMap<string, Plugin> | undefined
}

/** A plugin type. A command that is missing succeeds and does nothing, as in the Go library. */
export interface Plugin {
  add(call: CniCall): Promise<CniResult>
  del(call: CniCall): Promise<void>
  check?(call: CniCall): Promise<void>
  gc?(call: CniCall): Promise<void>
  status?(call: CniCall): Promise<void>
}

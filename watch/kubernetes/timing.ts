import type { BackoffTiming } from './backoff.ts'
import type { PingTiming } from './connection/http2-transport.ts'

export interface ReflectorTiming {
  readonly backoff: BackoffTiming
  /** how long a streamed list may stand still before an ordinary one is asked for */
  readonly progressMs: number
}

/** All times of a Kubernetes source, milliseconds unless the name says otherwise. */
export interface KubernetesTiming extends ReflectorTiming {
  readonly ping: PingTiming
  readonly http1SilenceMs: number
  readonly connectTimeoutMs: number
  /** watches end after a random time from this to twice this: spreads reconnects over the nodes */
  readonly watchSeconds: number
  /** how often custom resources are looked for */
  readonly discoveryMs: number
  /** how often certificates on disk are compared with those in use */
  readonly certificatesMs: number
  readonly tokenFreshMs: number
}

/** client-go's values, where it has them. */
export const defaultTiming: KubernetesTiming = {
  backoff: { baseMs: 800, capMs: 30_000, resetMs: 120_000 },
  progressMs: 10_000,
  ping: { silenceMs: 30_000, answerMs: 15_000 },
  // Bookmarks come about once a minute.
  http1SilenceMs: 180_000,
  connectTimeoutMs: 10_000,
  watchSeconds: 300,
  discoveryMs: 60_000,
  certificatesMs: 60_000,
  tokenFreshMs: 60_000,
}

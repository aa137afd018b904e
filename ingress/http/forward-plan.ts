import type { Endpoint, PoolSettings } from './pool.ts'

/** How a request on a connection ended badly; `unprocessed`: the server says that it did nothing (RFC 9113 §8.7). */
export type BreakKind = 'timeout' | 'closed' | 'malformed' | 'unprocessed'
export type FailureKind = 'connect' | BreakKind

/** How to send one request on. The gateway makes it; the engine asks it for targets and tells it what became of them. */
export interface ForwardPlan {
  readonly method: string
  /** Tries in all, the first included. */
  readonly tries: number
  /** No further try starts after this moment (performance.now). */
  readonly retryUntil: number
  readonly connectTimeout: number
  readonly sendTimeout: number
  readonly readTimeout: number
  readonly pool: PoolSettings
  /** Pass on Upgrade requests and 101. */
  readonly upgrade: boolean
  /** The next server to try; a number is the status to answer when there is none. */
  next(): Endpoint | number
  /** Head of the request for that server. */
  head(endpoint: Endpoint): string
  onFailure(endpoint: Endpoint, kind: FailureKind, error: Error | undefined): void
  /** The try is over: answered in full, failed or given up. Called once per server that `next` gave. */
  onEnd(endpoint: Endpoint): void
  /** The status line arrived. */
  onResponse(endpoint: Endpoint, status: number): void
}

/** What the client is told when no server answered. A name that cannot be resolved is an upstream without servers. */
export function failureStatus(kind: FailureKind, error: Error | undefined): number {
  if (kind === 'timeout') return 504
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  return code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? 503 : 502
}

import { ApiError, isExpired, isTooLarge } from './errors.ts'
import { IncompleteListError, StalledListError } from './watch-errors.ts'

/** A kind that cannot be listed or watched at the moment. */
export interface Failure {
  readonly message: string
  /** HTTP status, undefined if there was no answer */
  readonly status?: number | undefined
  /** ms since the epoch of the first failure in a row */
  readonly since: number
}

export function describeFailure(error: unknown, before: Failure | undefined): Failure {
  return {
    message: error instanceof Error ? error.message : String(error),
    status: error instanceof ApiError ? error.status : undefined,
    since: before?.since ?? Date.now(),
  }
}

/** What a reflector does about an error. */
export interface Verdict {
  readonly reason: string
  /** go back to a list; otherwise resume the watch where it was */
  readonly relist: boolean
  /** the list may not ask for the version we have */
  readonly versionUnavailable: boolean
  readonly wait: boolean
  readonly retryAfterMs?: number | undefined
  /** the server does not stream lists */
  readonly noStreaming: boolean
  /** ordinary course of things: no warning */
  readonly quiet: boolean
}

/** After this long of nothing but server errors a watch is not resumed but begun with a list. */
const resumeBudgetMs = 60_000

/** Decides as client-go's reflector does (tools/cache/reflector.go). */
export function judge(
  error: unknown,
  state: { listing: boolean; streaming: boolean; failingForMs: number },
): Verdict {
  const { listing, streaming, failingForMs } = state
  const base = { relist: listing, versionUnavailable: false, wait: true, noStreaming: false, quiet: false }
  if (isExpired(error)) {
    // While watching: list at the version we have or later. While listing: that version has gone as well.
    const again = listing && failingForMs > 1000
    return { ...base, reason: 'expired', relist: true, versionUnavailable: listing, wait: again, quiet: true }
  }
  if (isTooLarge(error)) {
    return {
      ...base,
      ...after(error),
      reason: 'too large resource version',
      relist: true,
      versionUnavailable: true,
    }
  }
  if (error instanceof StalledListError) {
    return { ...base, reason: 'stalled', wait: false, noStreaming: true }
  }
  if (error instanceof IncompleteListError) return { ...base, reason: 'incomplete' }
  if (!(error instanceof ApiError)) {
    // No answer at all: the server may be coming up; a resumed watch costs it less than a list.
    return { ...base, reason: 'connection' }
  }
  if (error.status === 429) return { ...base, ...after(error), reason: 'too many requests' }
  // 422 where the feature is off, 500 where etcd is older than 3.4.25 (RequestWatchProgress is missing).
  if (listing && streaming && [400, 422, 500].includes(error.status)) {
    return { ...base, reason: 'no streaming', wait: false, noStreaming: true, quiet: true }
  }
  if (error.status >= 500) {
    return {
      ...base,
      ...after(error),
      reason: 'server error',
      relist: listing || failingForMs > resumeBudgetMs,
    }
  }
  if (error.status === 401) return { ...base, reason: 'unauthorized' }
  return { ...base, ...after(error), reason: `status ${error.status}`, relist: true }
}

function after(error: unknown): { retryAfterMs: number | undefined } {
  return { retryAfterMs: error instanceof ApiError ? error.retryAfterMs : undefined }
}

/**
 * Says whether an answer may still be given again as it is. Whoever made the answer keeps it and marks it stale when the
 * answer would be another one.
 */
export interface Freshness {
  stale: boolean
  /** ms of performance.now() from which it is stale in any case */
  readonly until: number
}

/** Fresh until somebody says otherwise. */
export function untilChanged(): Freshness {
  return { stale: false, until: Number.POSITIVE_INFINITY }
}

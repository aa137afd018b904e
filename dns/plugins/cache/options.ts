/** TTLs in seconds. */
export interface StoreOptions {
  readonly capacity: number
  readonly maxTtl: number
  readonly minTtl: number
}

export interface CacheOptions {
  readonly zones: readonly string[]
  readonly success: StoreOptions
  readonly denial: StoreOptions
  /** `amount` 0: no prefetching */
  readonly prefetch: { readonly amount: number; readonly windowMs: number; readonly percentage: number }
  readonly stale: StaleOptions | undefined
  /** an answer that is stale counts more than a denial that is not */
  readonly preferPositive: boolean
  readonly servfailTtl: number
  readonly keepTtl: boolean
  readonly disabled: { readonly success: readonly string[]; readonly denial: readonly string[] }
}

export interface StaleOptions {
  readonly forMs: number
  /** immediate: answer at once, refresh behind; verify: ask first, fall back */
  readonly mode: 'immediate' | 'verify'
  /** verify: how long to wait for the fresh answer; 0: as long as it takes */
  readonly verifyTimeoutMs: number
  /** TTL of stale answers in seconds */
  readonly ttl: number
  /** after a failed refresh the next one waits this long */
  readonly recheckMs: number
}

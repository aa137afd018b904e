/** An answer as it is kept. */
export interface CachedAnswer {
  readonly status: number
  /** Field lines in order, names as the upstream wrote them. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Request fields the answer depends on (Vary), with the values it was made for. */
  readonly vary: readonly (readonly [name: string, value: string])[]
  /** When it was stored and until when it is fresh, ms since 1970. */
  readonly storedAt: number
  readonly freshUntil: number
  readonly body: Buffer
}

/** A cache zone. Misses and failures of the medium are both undefined: the request then goes to the upstream. */
export interface CacheStore {
  get(key: string): CachedAnswer | undefined | Promise<CachedAnswer | undefined>
  set(key: string, answer: CachedAnswer): void
  /** True if there was something. */
  delete(key: string): boolean | Promise<boolean>
}

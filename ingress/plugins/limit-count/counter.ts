export interface Usage {
  /** Requests of the key in its window, this one included; in a sliding window not always a whole number. */
  readonly count: number
  /** Milliseconds until the window ends. */
  readonly resetMs: number
}

/** Counts requests per key and window. `limit`: what is refused beyond it does not use up a sliding window. */
export interface Counter {
  count(key: string, windowMs: number, limit: number): Usage | Promise<Usage>
}

import { Code, H2Fault } from './fault.ts'

/** How often a peer may do what costs us more than itself: so many at once, and then so many a second. */
export class RateLimit {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #at = performance.now()

  constructor(burst: number, perSecond: number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
  }

  /** Counts one; throws if it is one too many. */
  count(): void {
    if (this.#left < 1) {
      const now = performance.now()
      this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#perSecond)
      this.#at = now
    }
    if (--this.#left < 0)
      throw new H2Fault(Code.enhanceYourCalm, 'too many frames that cost more than they say')
  }
}

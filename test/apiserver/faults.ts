/** What is known of a request when it is decided whether it fails. */
export interface RequestFacts {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'other'
  readonly path: string
  readonly group: string
  readonly plural: string
  readonly subresource: string
  readonly name: string
  readonly query: URLSearchParams
  readonly protocol: string
  readonly userAgent: string
  readonly authorization: string
  readonly contentType: string
}

/** A way to misbehave. */
export type Misbehaviour =
  /** answer with an error Status */
  | {
      readonly status: number
      readonly reason?: string
      readonly message?: string
      readonly retryAfter?: number
    }
  /** break the stream off after this many bytes of the body */
  | { readonly cutAfter: number }
  /** never answer */
  | { readonly stall: true }
  /** answer late */
  | { readonly delayMs: number }
  /** send the body in small pieces */
  | { readonly pieces: number; readonly everyMs: number }
  /** a watch that says 410 in an ERROR event */
  | { readonly expired: true }
  /** a watch that ends at once without an event */
  | { readonly empty: true }

export interface Fault {
  readonly match: (facts: RequestFacts) => boolean
  readonly act: Misbehaviour
  /** how often it strikes; once by default */
  readonly times?: number
}

/** Faults ordered and not yet used up. */
export class Faults {
  #faults: { fault: Fault; left: number }[] = []

  add(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 })
  }

  clear(): void {
    this.#faults = []
  }

  /** The misbehaviour that is due for this request; uses it up. */
  take(facts: RequestFacts): Misbehaviour | undefined {
    const entry = this.#faults.find(({ fault, left }) => left > 0 && fault.match(facts))
    if (entry === undefined) return undefined
    entry.left--
    return entry.fault.act
  }
}

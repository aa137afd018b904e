import { type EdnsOptionValue, Rcode, type ResourceRecord } from '../wire/index.ts'
import type { Freshness } from './freshness.ts'
import { decodePrepared, type Prepared } from './prepared.ts'

/** What a reply says; everything is optional but what it is about. */
export interface ReplyParts {
  readonly rcode?: number | undefined
  readonly authoritative?: boolean | undefined
  readonly recursionAvailable?: boolean | undefined
  /** the RD flag; that of the query if undefined */
  readonly recursionDesired?: boolean | undefined
  readonly authenticData?: boolean | undefined
  readonly truncated?: boolean | undefined
  readonly answer?: readonly ResourceRecord[] | undefined
  readonly authority?: readonly ResourceRecord[] | undefined
  readonly additional?: readonly ResourceRecord[] | undefined
  /** the same sections as octets; given alone they are decoded when somebody looks at them */
  readonly prepared?: Prepared | undefined
  /** replaces every TTL of `prepared` */
  readonly ttl?: number | undefined
  /** put the addresses in another order for each client */
  readonly shuffle?: boolean | undefined
  /** EDNS options for a client that sent EDNS */
  readonly options?: readonly EdnsOptionValue[] | undefined
  /** must not be kept by caches: it may change with the next event from the cluster */
  readonly live?: boolean | undefined
  /** how long the same query gets this answer, as far as its plugin knows */
  readonly freshness?: Freshness | undefined
  /** why there is no better reply; `errors` logs it */
  readonly error?: Error | undefined
  /** the plugin that made it, for metrics */
  readonly plugin?: string | undefined
  /** more messages of the same answer (zone transfers, over TCP) */
  readonly following?: readonly Reply[] | undefined
  /** send nothing at all */
  readonly silent?: boolean | undefined
}

interface Sections {
  readonly answer: readonly ResourceRecord[]
  readonly authority: readonly ResourceRecord[]
  readonly additional: readonly ResourceRecord[]
}

/** An answer on its way back through the plugins. Immutable; `with` makes a changed copy. */
export class Reply {
  readonly rcode: number
  readonly authoritative: boolean
  readonly recursionAvailable: boolean
  readonly recursionDesired: boolean | undefined
  readonly authenticData: boolean
  readonly truncated: boolean
  readonly prepared: Prepared | undefined
  readonly ttl: number | undefined
  readonly shuffle: boolean
  readonly options: readonly EdnsOptionValue[]
  readonly live: boolean
  readonly freshness: Freshness | undefined
  readonly error: Error | undefined
  readonly plugin: string
  readonly following: readonly Reply[]
  readonly silent: boolean
  #sections: Sections | undefined

  constructor(parts: ReplyParts) {
    this.rcode = parts.rcode ?? Rcode.NOERROR
    this.authoritative = parts.authoritative ?? false
    this.recursionAvailable = parts.recursionAvailable ?? false
    this.recursionDesired = parts.recursionDesired
    this.authenticData = parts.authenticData ?? false
    this.truncated = parts.truncated ?? false
    this.prepared = parts.prepared
    this.ttl = parts.ttl
    this.shuffle = parts.shuffle ?? false
    this.options = parts.options ?? none
    this.live = parts.live ?? false
    this.freshness = parts.freshness
    this.error = parts.error
    this.plugin = parts.plugin ?? ''
    this.following = parts.following ?? none
    this.silent = parts.silent ?? false
    if (parts.answer !== undefined || parts.authority !== undefined || parts.additional !== undefined) {
      this.#sections = {
        answer: parts.answer ?? none,
        authority: parts.authority ?? none,
        additional: parts.additional ?? none,
      }
    } else if (parts.prepared === undefined) {
      this.#sections = empty
    }
  }

  #decoded(): Sections {
    this.#sections ??= this.prepared === undefined ? empty : decodePrepared(this.prepared, this.ttl)
    return this.#sections
  }

  get answer(): readonly ResourceRecord[] {
    return this.#decoded().answer
  }

  get authority(): readonly ResourceRecord[] {
    return this.#decoded().authority
  }

  get additional(): readonly ResourceRecord[] {
    return this.#decoded().additional
  }

  /** Whether there are answers, without decoding. */
  get answered(): boolean {
    return this.prepared === undefined ? this.answer.length > 0 : this.prepared.counts[0] > 0
  }

  /** A copy with changes. Changing a section drops the prepared octets. */
  with(change: ReplyParts): Reply {
    const touched =
      change.answer !== undefined || change.authority !== undefined || change.additional !== undefined
    const kept: Partial<Sections> = touched ? this.#decoded() : (this.#sections ?? {})
    const sections: Partial<Sections> = change.prepared === undefined ? kept : {}
    return new Reply({
      rcode: this.rcode,
      authoritative: this.authoritative,
      recursionAvailable: this.recursionAvailable,
      recursionDesired: this.recursionDesired,
      authenticData: this.authenticData,
      truncated: this.truncated,
      prepared: touched ? undefined : this.prepared,
      ttl: touched ? undefined : this.ttl,
      shuffle: this.shuffle,
      options: this.options,
      live: this.live,
      freshness: this.freshness,
      error: this.error,
      plugin: this.plugin,
      following: this.following,
      silent: this.silent,
      ...sections,
      ...change,
    })
  }
}

const none: readonly never[] = []
const empty: Sections = { answer: none, authority: none, additional: none }

/** A reply without records: the server says so itself (REFUSED, SERVFAIL, FORMERR ...). */
export function failure(rcode: number, plugin: string, error?: Error): Reply {
  return new Reply({ rcode, plugin, error })
}

/** No reply at all. */
export const silence = new Reply({ silent: true })

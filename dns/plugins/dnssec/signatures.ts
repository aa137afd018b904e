import type { Cell, Gauge, MetricFamilies } from '../../metrics/metrics.ts'
import type { ResourceRecord } from '../../wire/index.ts'
import { recordKey } from '../../zone/canonical.ts'
import type { ZoneKey } from '../../zone/dnssec/keys.ts'
import { signRecords } from '../../zone/dnssec/signature.ts'

const hour = 3600
const day = 24 * hour
/** clocks of validators differ */
const inceptionSeconds = 3 * hour
const validSeconds = 8 * day
/** a kept signature is made anew when so little of it is left */
const renewSeconds = 2 * day

/** CoreDNS's metrics. */
export class SignatureMetrics {
  readonly entries: Gauge
  readonly #families: MetricFamilies

  constructor(families: MetricFamilies) {
    this.#families = families
    this.entries = families.gauge('coredns_dnssec_cache_entries', 'Signatures that are kept.', [
      'server',
      'type',
    ])
  }

  cells(server: string): { hits: Cell; misses: Cell } {
    const hits = this.#families.counter('coredns_dnssec_cache_hits_total', 'Signatures found.', ['server'])
    const misses = this.#families.counter('coredns_dnssec_cache_misses_total', 'Signatures made.', ['server'])
    return { hits: hits.cell(server), misses: misses.cell(server) }
  }
}

interface Kept {
  readonly signature: ResourceRecord
  /** seconds since 1970 */
  readonly renew: number
}

/** Makes signatures and keeps them; when there are too many the oldest goes. */
export class Signatures {
  readonly #capacity: number
  readonly #metrics: SignatureMetrics
  readonly #kept = new Map<string, Kept>()

  constructor(capacity: number, metrics: SignatureMetrics) {
    this.#capacity = capacity
    this.#metrics = metrics
  }

  get size(): number {
    return this.#kept.size
  }

  of(
    set: readonly [ResourceRecord, ...ResourceRecord[]],
    key: ZoneKey,
    zone: string,
    server: string,
  ): ResourceRecord {
    const now = Math.floor(Date.now() / 1000)
    const id = `${zone} ${key.tag} ${set.map(recordKey).sort().join('\n')}`
    const known = this.#kept.get(id)
    const cells = this.#metrics.cells(server)
    if (known !== undefined && now < known.renew) {
      cells.hits.value += 1
      return { ...known.signature, name: set[0].name }
    }
    cells.misses.value += 1
    const validity = { inception: now - inceptionSeconds, expiration: now + validSeconds }
    const signature = signRecords(set, key, zone, validity)
    this.#kept.delete(id)
    this.#kept.set(id, { signature, renew: now + validSeconds - renewSeconds })
    if (this.#kept.size > this.#capacity) {
      const oldest = this.#kept.keys().next().value
      if (oldest !== undefined) this.#kept.delete(oldest)
    }
    return signature
  }
}

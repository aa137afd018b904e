import type { Cell, Counter, Gauge, MetricFamilies } from '../../metrics/metrics.ts'

/** CoreDNS's cache metrics, for one cache. */
export class CacheMetrics {
  readonly #families: { hits: Counter; plain: Readonly<Record<Plain, Counter>>; evictions: Counter }
  readonly #entries: Gauge
  readonly #zones: string
  readonly #cells = new Map<string, Cells>()

  constructor(families: MetricFamilies, zones: readonly string[]) {
    const scope = ['server', 'zones', 'view']
    const typed = ['server', 'type', 'zones', 'view']
    this.#zones = zones.join(',')
    this.#entries = families.gauge('coredns_cache_entries', 'Answers in the cache.', typed, 'sum')
    this.#families = {
      hits: families.counter('coredns_cache_hits_total', 'Queries answered from the cache.', typed),
      evictions: families.counter(
        'coredns_cache_evictions_total',
        'Answers dropped because the cache was full.',
        typed,
      ),
      plain: {
        requests: families.counter('coredns_cache_requests_total', 'Queries the cache has seen.', scope),
        misses: families.counter('coredns_cache_misses_total', 'Queries the cache had no answer for.', scope),
        prefetch: families.counter(
          'coredns_cache_prefetch_total',
          'Answers fetched again before they expired.',
          scope,
        ),
        drops: families.counter(
          'coredns_cache_drops_total',
          'Answers that were for another question.',
          scope,
        ),
        stale: families.counter(
          'coredns_cache_served_stale_total',
          'Queries answered from expired entries.',
          scope,
        ),
      },
    }
  }

  entries(server: string, type: 'success' | 'denial', size: () => number): void {
    this.#entries.cell(server, type, this.#zones, '').value = size
  }

  hit(server: string, type: 'success' | 'denial'): void {
    this.#cellsOf(server)[type].value += 1
  }

  evicted(server: string, type: 'success' | 'denial'): void {
    this.#families.evictions.cell(server, type, this.#zones, '').value += 1
  }

  count(server: string, what: Plain): void {
    this.#cellsOf(server)[what].value += 1
  }

  /** Counts a query that is answered from the cache. */
  hitting(server: string, type: 'success' | 'denial'): () => void {
    const { requests, [type]: hits } = this.#cellsOf(server)
    return () => {
      requests.value += 1
      hits.value += 1
    }
  }

  /** Counts a query that the cache neither answers nor keeps the answer of. */
  passing(server: string): () => void {
    const { requests, misses } = this.#cellsOf(server)
    return () => {
      requests.value += 1
      misses.value += 1
    }
  }

  /** Found once per server: they are needed for every query. */
  #cellsOf(server: string): Cells {
    const known = this.#cells.get(server)
    if (known !== undefined) return known
    const { hits, plain } = this.#families
    const cell = (what: Plain): Cell => plain[what].cell(server, this.#zones, '')
    const cells: Cells = {
      success: hits.cell(server, 'success', this.#zones, ''),
      denial: hits.cell(server, 'denial', this.#zones, ''),
      requests: cell('requests'),
      misses: cell('misses'),
      prefetch: cell('prefetch'),
      drops: cell('drops'),
      stale: cell('stale'),
    }
    this.#cells.set(server, cells)
    return cells
  }
}

type Cells = Readonly<Record<Plain | 'success' | 'denial', Cell>>
type Plain = 'requests' | 'misses' | 'prefetch' | 'drops' | 'stale'

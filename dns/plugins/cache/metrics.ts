import type { Cell, Counter, Gauge, MetricFamilies } from '../../metrics/metrics.ts'

/** CoreDNS's cache metrics, for one cache. */
export class CacheMetrics {
  readonly #families: { hits: Counter; plain: Readonly<Record<Plain, Counter>>; evictions: Counter }
  readonly #entries: Gauge
  readonly #zones: string
  readonly #cells = new Map<string, Cell>()

  constructor(families: MetricFamilies, zones: readonly string[]) {
    const scope = ['server', 'zones', 'view']
    const typed = ['server', 'type', 'zones', 'view']
    this.#zones = zones.join(',')
    this.#entries = families.gauge('coredns_cache_entries', 'Answers in the cache.', typed)
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
    this.#cell(`hits ${type} ${server}`, () =>
      this.#families.hits.cell(server, type, this.#zones, ''),
    ).value += 1
  }

  evicted(server: string, type: 'success' | 'denial'): void {
    this.#families.evictions.cell(server, type, this.#zones, '').value += 1
  }

  count(server: string, what: Plain): void {
    this.#cell(`${what} ${server}`, () => this.#families.plain[what].cell(server, this.#zones, '')).value += 1
  }

  #cell(key: string, find: () => Cell): Cell {
    let cell = this.#cells.get(key)
    if (cell === undefined) {
      cell = find()
      this.#cells.set(key, cell)
    }
    return cell
  }
}

type Plain = 'requests' | 'misses' | 'prefetch' | 'drops' | 'stale'

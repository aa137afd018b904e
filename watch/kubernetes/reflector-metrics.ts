import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** Metrics of reflectors, named as client-go's where it has them; `name` is the resource. */
export class ReflectorMetrics {
  readonly #counters: Readonly<Record<CounterName, Counter>> | undefined
  readonly #lastVersion: Gauge | undefined
  readonly #listDuration: Histogram | undefined
  readonly #streams: Gauge | undefined

  constructor(registry: Registry | undefined) {
    if (registry === undefined) return
    const registers = [registry]
    const counter = (name: string, help: string, more: string[] = []): Counter =>
      new Counter({ name, help, labelNames: ['name', ...more], registers })
    this.#counters = {
      lists: counter('reflector_lists_total', 'Total number of lists done by the reflectors', ['reason']),
      watches: counter('reflector_watches_total', 'Total number of watches opened by the reflectors'),
      shortWatches: counter('reflector_short_watches_total', 'Watches that ended at once without an event'),
      events: counter('reflector_watch_events_total', 'Events read from watches', ['type']),
      stale: counter('reflector_stale_events_total', 'Events dropped because something newer was known'),
      errors: counter('reflector_errors_total', 'Lists and watches that failed', ['reason']),
    }
    this.#lastVersion = new Gauge({
      name: 'reflector_last_resource_version',
      help: 'Last resource version seen for the reflectors',
      labelNames: ['name'],
      registers,
    })
    this.#listDuration = new Histogram({
      name: 'reflector_list_duration_seconds',
      help: 'How long a list (streamed or not) took until it was complete',
      labelNames: ['name'],
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
      registers,
    })
    this.#streams = new Gauge({
      name: 'plexus_watch_streams',
      help: 'Watches open to the API server',
      labelNames: ['name'],
      registers,
    })
  }

  count(what: CounterName, name: string, labels: Record<string, string> = {}, by = 1): void {
    this.#counters?.[what].inc({ name, ...labels }, by)
  }

  version(name: string, version: string): void {
    const number = Number(version)
    if (Number.isFinite(number)) this.#lastVersion?.set({ name }, number)
  }

  listed(name: string, seconds: number): void {
    this.#listDuration?.observe({ name }, seconds)
  }

  streamOpen(name: string, open: 0 | 1): void {
    this.#streams?.set({ name }, open)
  }
}

type CounterName = 'lists' | 'watches' | 'shortWatches' | 'events' | 'stale' | 'errors'

import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type AnyObject, type Kind, kinds } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { ObjectChange } from './change-set.ts'

/** Metrics of a store; counts nothing where no registry is given. */
export class StoreMetrics {
  readonly #events: Counter | undefined
  readonly #delivery: Histogram | undefined
  readonly #errors: Counter | undefined

  constructor(registry: Registry | undefined, size: (kind: Kind) => number) {
    if (registry === undefined) return
    const registers = [registry]
    new Gauge({
      name: 'plexus_watch_objects',
      help: 'Objects in the watch cache, derived ones included',
      labelNames: ['kind'],
      registers,
      collect() {
        for (const kind of kinds) this.set({ kind }, size(kind))
      },
    })
    this.#events = new Counter({
      name: 'plexus_watch_events_total',
      help: 'Changes of objects that readers of the watch cache could see',
      labelNames: ['kind', 'type'],
      registers,
    })
    this.#delivery = new Histogram({
      name: 'plexus_watch_delivery_seconds',
      help: 'Time a consumer took for one change set',
      labelNames: ['consumer'],
      buckets: [0.0001, 0.001, 0.01, 0.1, 1, 10],
      registers,
    })
    this.#errors = new Counter({
      name: 'plexus_watch_delivery_errors_total',
      help: 'Change sets on which the consumer threw',
      labelNames: ['consumer'],
      registers,
    })
  }

  changed(kind: Kind, changed: ReadonlyMap<Key, ObjectChange<AnyObject>>): void {
    if (this.#events === undefined) return
    const counts = { added: 0, modified: 0, deleted: 0 }
    for (const { before, after } of changed.values()) {
      counts[before === undefined ? 'added' : after === undefined ? 'deleted' : 'modified']++
    }
    for (const [type, count] of Object.entries(counts)) {
      if (count > 0) this.#events.inc({ kind, type }, count)
    }
  }

  delivered(consumer: string, seconds: number): void {
    this.#delivery?.observe({ consumer }, seconds)
  }

  failed(consumer: string): void {
    this.#errors?.inc({ consumer })
  }
}

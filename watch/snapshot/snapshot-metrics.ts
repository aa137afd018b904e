import { Counter, Gauge, type Registry } from 'prom-client'

/** Metrics of the snapshot; counts nothing where no registry is given. */
export class SnapshotMetrics {
  readonly #writes: Counter | undefined
  readonly #bytes: Gauge | undefined
  readonly #stale: Gauge | undefined

  constructor(registry: Registry | undefined) {
    if (registry === undefined) return
    const registers = [registry]
    this.#writes = new Counter({
      name: 'plexus_watch_snapshot_writes_total',
      help: 'Snapshots of the watch cache written, by outcome',
      labelNames: ['outcome'],
      registers,
    })
    this.#bytes = new Gauge({
      name: 'plexus_watch_snapshot_bytes',
      help: 'Size of the last snapshot written',
      registers,
    })
    this.#stale = new Gauge({
      name: 'plexus_watch_serving_snapshot',
      help: '1 while (part of) what is served comes from a snapshot',
      registers,
    })
  }

  written({ bytes }: { bytes: number }): void {
    this.#writes?.inc({ outcome: 'ok' })
    this.#bytes?.set(bytes)
  }

  failed(): void {
    this.#writes?.inc({ outcome: 'failed' })
  }

  serving(stale: 0 | 1): void {
    this.#stale?.set(stale)
  }
}

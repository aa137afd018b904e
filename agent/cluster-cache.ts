import type { Source, SourceStatus, Store } from '#watch'
import type { Component, ComponentHealth } from './component.ts'

/** The watch cache as one of the agent's components: not ready until the cluster's first complete state is there. */
export class ClusterCache implements Component {
  readonly name = 'cache'
  #status: () => SourceStatus

  constructor(source: Source) {
    this.#status = () => source.status()
  }

  /** From then on it is the store's to say: it also knows of a snapshot that stands in. */
  opened(store: Store): void {
    this.#status = () => store.status()
  }

  health(): ComponentHealth {
    const { synced, current, detail } = this.#status()
    // Serving the last known state while the API server is away is what the snapshot is for: ready, and said.
    if (synced || current === false) return { ok: true, detail }
    return { ok: false, detail: detail ?? 'waiting for the first complete state of the cluster' }
  }

  async stop(): Promise<void> {
    // The store that reads the source stops it.
  }
}

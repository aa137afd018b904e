import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Backoff, type BackoffTiming } from './backoff.ts'
import type { ApiClient } from './connection/api-client.ts'
import { servedResources } from './discovery.ts'
import type { Resource } from './resources.ts'

export interface OptionalResourcesOptions {
  readonly client: ApiClient
  readonly resources: readonly Resource[]
  readonly log: Logger
  readonly intervalMs: number
  readonly backoff: BackoffTiming
  readonly onAppeared: (resource: Resource) => void
  readonly onDisappeared: (resource: Resource) => void
}

/** How many looks in a row must miss a resource: an API server that starts up serves its CRDs late. */
const looksUntilGone = 2

/** Looks regularly which custom resources the server offers. */
export class OptionalResources {
  readonly #options: OptionalResourcesOptions
  readonly #stop = new AbortController()
  readonly #present = new Set<Resource>()
  /** resources said to be gone; at the start that is not known, and a snapshot may have objects of them */
  readonly #gone = new Set<Resource>()
  readonly #missed = new Map<Resource, number>()
  #running: Promise<void> | undefined

  constructor(options: OptionalResourcesOptions) {
    this.#options = options
  }

  /** Resolves after the first look that worked; goes on looking. */
  start(): Promise<void> {
    const first = Promise.withResolvers<void>()
    if (this.#options.resources.length === 0) first.resolve()
    else this.#running = this.#run(() => first.resolve())
    return first.promise
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(looked: () => void): Promise<void> {
    const { signal } = this.#stop
    const backoff = new Backoff(this.#options.backoff)
    while (!signal.aborted) {
      try {
        await this.#look(signal)
        looked()
        const { intervalMs } = this.#options
        await sleep(intervalMs * (0.75 + Math.random() / 2), undefined, { signal })
      } catch (error) {
        if (signal.aborted) return
        this.#options.log.debug({ err: error }, 'custom resources could not be looked for')
        await backoff.wait(signal).catch(() => {})
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { client, resources, onAppeared, onDisappeared, log } = this.#options
    for (const [apiVersion, members] of Map.groupBy(resources, (resource) => resource.apiVersion)) {
      const served = await servedResources(client, apiVersion, signal)
      for (const resource of members) {
        const there = served?.has(resource.plural) === true
        if (there) {
          this.#missed.delete(resource)
          if (this.#present.has(resource)) continue
          this.#present.add(resource)
          this.#gone.delete(resource)
          log.info({ resource: resource.plural, apiVersion }, 'custom resource is served')
          onAppeared(resource)
          continue
        }
        if (this.#gone.has(resource)) continue
        const missed = (this.#missed.get(resource) ?? 0) + 1
        this.#missed.set(resource, missed)
        if (missed < looksUntilGone) continue
        this.#gone.add(resource)
        this.#missed.delete(resource)
        if (this.#present.delete(resource)) {
          log.info({ resource: resource.plural, apiVersion }, 'custom resource is not served any more')
        }
        onDisappeared(resource)
      }
    }
  }
}

import type { Logger } from 'pino'
import type { Kind } from '../objects/kinds.ts'
import type { Problem, Sink, Source, SourceStatus } from '../source.ts'
import { CertificatesWatch } from './certificates-watch.ts'
import type { ApiClient } from './connection/api-client.ts'
import { serverVersion } from './discovery.ts'
import { type KindNeed, type NeedingComponent, needingComponents, needsOf, unionOfNeeds } from './needs.ts'
import { type ClientOptions, type OpenedClient, openClient } from './open-client.ts'
import { OptionalResources } from './optional-resources.ts'
import { Reflector } from './reflector.ts'
import { ReflectorMetrics } from './reflector-metrics.ts'
import { ResourceRequests } from './resource-requests.ts'
import { type Resource, resourceOf } from './resources.ts'
import { defaultTiming, type KubernetesTiming } from './timing.ts'

export interface KubernetesSourceOptions extends ClientOptions {
  /** who reads the store: only what these need is watched (all components by default) */
  readonly components?: readonly NeedingComponent[] | undefined
  /** this node: narrows what only concerns it (its own Pods for cni, its own Node for the proxy) */
  readonly nodeName?: string | undefined
  /** kinds to watch, instead of what `components` need */
  readonly kinds?: readonly KindNeed[] | undefined
  /** how built-in kinds are read (protobuf by default) */
  readonly wire?: 'protobuf' | 'json' | undefined
  readonly timing?: Partial<KubernetesTiming> | undefined
}

/** A source whose client others may use to write back. */
export interface KubernetesSource extends Source {
  readonly standalone: false
  readonly client: ApiClient
  /** where objects of our own (Lease) belong by default */
  readonly namespace: string
}

/**
 * The objects of a cluster, from its API server. Watches each kind once, on one HTTP/2 connection.
 * `start` resolves when every kind is there, which is as late as the server answers.
 * Throws KubeconfigError at once if the configuration cannot be used.
 */
export function kubernetesSource(options: KubernetesSourceOptions): KubernetesSource {
  return new ApiServerSource(options)
}

class ApiServerSource implements KubernetesSource {
  readonly name = 'kubernetes'
  readonly standalone = false
  readonly scope: string
  readonly client: ApiClient
  readonly namespace: string
  readonly #opened: OpenedClient
  readonly #log: Logger
  #needs: readonly KindNeed[]
  readonly #onDemand: readonly KindNeed[]
  readonly #wire: 'protobuf' | 'json'
  readonly #timing: KubernetesTiming
  readonly #metrics: ReflectorMetrics
  readonly #reflectors = new Map<Resource, Reflector>()
  readonly #streaming = { usable: true }
  readonly #stop = new AbortController()
  #optional: OptionalResources | undefined
  #certificates: CertificatesWatch | undefined
  #sink: Sink | undefined
  #synced = false
  #serverVersion = ''
  readonly #reported = new Set<string>()
  #reporting: NodeJS.Immediate | undefined

  constructor(options: KubernetesSourceOptions) {
    this.#log = options.log
    this.#timing = { ...defaultTiming, ...options.timing }
    this.#wire = options.wire ?? 'protobuf'
    const components = options.components ?? needingComponents
    const needs = options.kinds ?? components.flatMap((component) => needsOf(component, options.nodeName))
    this.#needs = unionOfNeeds(needs.filter(({ onDemand }) => onDemand !== true))
    this.#onDemand = needs.filter(({ onDemand }) => onDemand === true)
    this.#metrics = new ReflectorMetrics(options.metrics)
    this.#opened = openClient(options, this.#timing)
    this.scope = JSON.stringify([this.#opened.access.servers[0]?.host, this.#needs])
    this.client = this.#opened.client
    this.namespace = this.#opened.access.namespace
  }

  async start(sink: Sink): Promise<void> {
    this.#sink = sink
    const { access, connections } = this.#opened
    this.#certificates = new CertificatesWatch({
      access,
      everyMs: this.#timing.certificatesMs,
      log: this.#log,
      onChange: () => connections.renew(),
    })
    await this.#askVersion()
    const resources = this.#needs.map(({ kind }) => resourceOf(kind))
    const waits = resources.filter(({ optional }) => !optional).map((resource) => this.#follow(resource))
    const early: Promise<void>[] = []
    this.#optional = new OptionalResources({
      client: this.client,
      resources: resources.filter(({ optional }) => optional),
      log: this.#log,
      intervalMs: this.#timing.discoveryMs,
      backoff: this.#timing.backoff,
      onAppeared: (resource) => early.push(this.#follow(resource)),
      onDisappeared: (resource) => this.#forget(resource),
    })
    await this.#optional.start()
    await Promise.all([...waits, ...early])
    if (this.#stop.signal.aborted) return
    this.#synced = true
    this.#log.info(
      { server: connections.server.host, version: this.#serverVersion, kinds: this.#reflectors.size },
      'watch cache is in step with the API server',
    )
  }

  /** Follows a kind that is not needed by everybody, or all of one of which a part is followed. */
  async demand(kind: Kind): Promise<void> {
    if (this.#sink === undefined || !this.#onDemand.some((need) => need.kind === kind)) return
    const known = this.#needs.find((need) => need.kind === kind)
    if (known !== undefined && known.fieldSelector === undefined && known.labelSelector === undefined) return
    this.#needs = unionOfNeeds([...this.#needs, { kind }])
    const resource = resourceOf(kind)
    await this.#reflectors.get(resource)?.stop()
    await this.#follow(resource)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#certificates?.stop()
    const running = [...this.#reflectors.values()].map((reflector) => reflector.stop())
    await Promise.all([...running, this.#optional?.stop()])
    this.#opened.connections.close()
  }

  status(): SourceStatus {
    const problems: Problem[] = []
    for (const reflector of this.#reflectors.values()) {
      problems.push(...reflector.problems())
      const { failure, resource } = reflector
      if (failure !== undefined) {
        problems.push({ severity: 'error', object: resource.plural, message: failure.message })
      }
    }
    const failing = [...this.#reflectors.values()].filter(({ failure }) => failure !== undefined)
    const { server, protocol } = this.#opened.connections
    const since = Math.min(...failing.map(({ failure }) => failure?.since ?? Number.POSITIVE_INFINITY))
    const where = `API server ${server.host}${this.#serverVersion === '' ? '' : ` ${this.#serverVersion}`}`
    const detail =
      failing.length === 0
        ? `${where}, ${this.#reflectors.size} kinds over ${protocol ?? 'no connection yet'}`
        : `${where}: ${failing.map(({ resource }) => resource.plural).join(', ')} not followed since ${new Date(since).toISOString()}`
    return {
      source: this.name,
      synced: this.#synced,
      files: [],
      problems,
      current: this.#synced && failing.length === 0,
      detail,
    }
  }

  /** Which lists the server can stream depends on its version; if it does not say, trying shows. */
  async #askVersion(): Promise<void> {
    try {
      const version = await serverVersion(this.client, this.#stop.signal)
      this.#serverVersion = version?.text ?? ''
      if (version !== undefined && version.major === 1 && version.minor < 27) this.#streaming.usable = false
    } catch (error) {
      this.#log.debug({ err: error }, 'the API server did not tell its version')
    }
  }

  /** Starts following a kind; resolves when its objects are there. */
  #follow(resource: Resource): Promise<void> {
    const sink = this.#sink
    const need = this.#needs.find(({ kind }) => kind === resource.kind)
    if (sink === undefined || need === undefined || this.#stop.signal.aborted) return Promise.resolve()
    const synced = Promise.withResolvers<void>()
    const reflector = new Reflector({
      resource,
      need,
      requests: new ResourceRequests({
        client: this.client,
        resource,
        need,
        wire: this.#wire,
        watchSeconds: this.#timing.watchSeconds,
      }),
      sink,
      log: this.#log,
      metrics: this.#metrics,
      timing: this.#timing,
      streaming: this.#streaming,
      onProblems: () => this.#report(),
      onSynced: synced.resolve,
    })
    this.#reflectors.set(resource, reflector)
    reflector.start()
    return synced.promise
  }

  /** A custom resource is not served any more: then none of its objects exist. */
  #forget(resource: Resource): void {
    const reflector = this.#reflectors.get(resource)
    this.#reflectors.delete(resource)
    void Promise.resolve(reflector?.stop()).then(() => this.#sink?.replace(resource.kind, []))
  }

  /** Logs each problem of an object once, in the next turn: a list may bring many. */
  #report(): void {
    this.#reporting ??= setImmediate(() => {
      this.#reporting = undefined
      this.#logProblems()
    })
  }

  #logProblems(): void {
    const present = new Set<string>()
    for (const reflector of this.#reflectors.values()) {
      for (const problem of reflector.problems()) {
        const text = [problem.object, problem.field, problem.message]
          .filter((part) => part !== undefined)
          .join(' ')
        present.add(text)
        if (!this.#reported.has(text)) this.#log.error({ ...problem }, text)
      }
    }
    this.#reported.clear()
    for (const text of present) this.#reported.add(text)
  }
}

import {
  isObject,
  type JsonObject,
  type ObjectChange,
  type ObjectOf,
  type Plugins,
} from '../objects/index.ts'
import { type Chain, compileChain, EMPTY_CHAIN } from '../plugins/compile.ts'
import { AuthIndex } from '../plugins/consumers.ts'
import type { PluginEnvironment } from '../plugins/plugin.ts'
import { isAuthentication } from '../plugins/registry.ts'
import { compileParameters, Router } from '../route/index.ts'
import { Secrets } from '../secrets/index.ts'
import { Certificates, SessionKeys } from '../tls/index.ts'
import type { UpstreamGroup, UpstreamSurroundings } from '../upstream/index.ts'
import { BodyUse } from './body-variables.ts'
import { type CompiledRoute, inlineUpstream, matchOf, upstreamIdOf } from './compiled-route.ts'
import type { TablesOptions } from './tables-options.ts'
import { UpstreamGroups } from './upstream-groups.ts'

/**
 * Everything a request needs, compiled: routes, upstreams, consumers, global rules. Fed with object changes only (it knows
 * neither the watch cache nor the Admin API), so that it can live in a worker process. A change recompiles what depends on
 * the object and nothing else; an object that does not compile leaves the last good one in place.
 */
export class Tables {
  readonly router: Router<CompiledRoute>
  readonly auth: AuthIndex
  readonly certificates: Certificates
  readonly #groups = new UpstreamGroups((owner) => this.surroundings(owner))
  globalChain: Chain = EMPTY_CHAIN
  readonly #options: TablesOptions
  readonly #routes = new Map<string, ObjectOf['routes']>()
  readonly #services = new Map<string, ObjectOf['services']>()
  readonly #pluginConfigs = new Map<string, ObjectOf['plugin_configs']>()
  readonly #consumerGroups = new Map<string, ObjectOf['consumer_groups']>()
  readonly #globalRules = new Map<string, ObjectOf['global_rules']>()
  readonly secrets: Secrets
  readonly bodyUse = new BodyUse()
  readonly #protos = new Map<string, ObjectOf['protos']>()
  readonly #metadata = new Map<string, JsonObject>()
  readonly #noMetadata: JsonObject = {}
  readonly #compiled = new Map<string, CompiledRoute>()

  constructor(options: TablesOptions) {
    this.#options = options
    this.router = new Router(options.mode)
    const { sessionTickets, ...tls } = options.tls
    const sessionKeys = sessionTickets ? new SessionKeys(options.shared) : undefined
    this.certificates = new Certificates({ ...tls, sessionKeys })
    this.secrets = new Secrets({
      log: options.log,
      known: options.states.of('$secret'),
      onChange: (changes) => {
        for (const { perConsumer } of this.#compiled.values()) perConsumer.clear()
        this.apply(changes)
      },
    })
    this.auth = new AuthIndex(
      (plugin, conf) => options.registry.get(plugin)?.consumerKey?.(conf),
      (reference) => this.secrets.get(reference),
    )
  }

  apply(changes: readonly ObjectChange[]): void {
    const routes = new Set<string>()
    for (const change of changes) {
      this.secrets.apply(change)
      this.bodyUse.apply(change)
      switch (change.kind) {
        case 'routes':
          store(this.#routes, change.id, change.value)
          routes.add(change.id)
          break
        case 'services':
          store(this.#services, change.id, change.value)
          if (change.value?.upstream === undefined) this.#groups.release(`services/${change.id}`)
          this.#dependents(routes, 'service_id', change.id)
          break
        case 'plugin_configs':
          store(this.#pluginConfigs, change.id, change.value)
          this.#dependents(routes, 'plugin_config_id', change.id)
          break
        case 'upstreams':
          this.#groups.set(change.id, change.value)
          break
        case 'consumers':
          if (change.value === undefined) this.auth.delete(change.id)
          else this.auth.set(change.value)
          break
        case 'credentials':
          if (change.value === undefined) this.auth.deleteCredential(change.id)
          else this.auth.setCredential(change.id, change.value)
          break
        case 'consumer_groups':
          store(this.#consumerGroups, change.id, change.value)
          for (const route of this.#compiled.values()) route.perConsumer.clear()
          break
        case 'global_rules':
          store(this.#globalRules, change.id, change.value)
          this.#compileGlobalRules()
          break
        case 'ssls':
          this.#setCertificate(change.id, change.value)
          break
        case 'protos':
          store(this.#protos, change.id, change.value)
          break
        case 'plugin_metadata':
          store(this.#metadata, change.id, change.value)
          break
      }
    }
    for (const id of routes) this.#compileRoute(id)
  }

  /** Every upstream there is, by the object that has it. */
  groups(): Iterable<readonly [owner: string, group: UpstreamGroup]> {
    return this.#groups.all()
  }

  get upstreams(): ReadonlyMap<string, UpstreamGroup> {
    return this.#groups.named
  }

  #dependents(into: Set<string>, field: 'service_id' | 'plugin_config_id', id: string): void {
    for (const [routeId, route] of this.#routes) {
      if (route[field] !== undefined && String(route[field]) === id) into.add(routeId)
    }
  }

  #setCertificate(id: string, value: ObjectOf['ssls'] | undefined): void {
    if (value === undefined) {
      this.certificates.delete(id)
      return
    }
    try {
      this.certificates.set(id, this.secrets.resolve(value))
    } catch (error) {
      this.#options.log.error(
        { object: `ssls/${id}`, err: error },
        'certificate is not usable, keeping the last good one',
      )
    }
  }

  #compileRoute(id: string): void {
    const route = this.#routes.get(id)
    if (route === undefined || route.status === 0) {
      this.router.delete(id)
      this.#groups.release(`routes/${id}`)
      this.#options.states.end(`routes/${id}`, {})
      this.#compiled.delete(id)
      return
    }
    try {
      const compiled = this.#compile(id, route)
      this.router.set(id, compiled.match, compiled)
      this.#compiled.set(id, compiled)
      this.#options.states.end(`routes/${id}`, compiled.plugins)
    } catch (error) {
      this.#options.log.error(
        { object: `routes/${id}`, err: error },
        'route does not compile, keeping the last good one',
      )
    }
  }

  #compile(id: string, route: ObjectOf['routes']): CompiledRoute {
    const service = route.service_id === undefined ? undefined : this.#services.get(String(route.service_id))
    const shared =
      route.plugin_config_id === undefined
        ? undefined
        : this.#pluginConfigs.get(String(route.plugin_config_id))
    const plugins: Plugins = { ...service?.plugins, ...shared?.plugins, ...route.plugins }
    const inline = inlineUpstream(id, route, service)
    if (inline?.owner !== `routes/${id}`) this.#groups.release(`routes/${id}`)
    const broken =
      route.service_id !== undefined && service === undefined
        ? 404
        : route.plugin_config_id !== undefined && shared === undefined
          ? 503
          : undefined
    const match = matchOf(route, service)
    const named = this.#options.mode === 'radixtree_uri_with_parameter'
    return {
      id,
      route,
      service,
      match,
      parameters: named ? match.uris.map(compileParameters) : [],
      chain: compileChain(plugins, this.#options.registry, (plugin) =>
        this.environment(plugin, `routes/${id}`),
      ),
      plugins,
      websocket: route.enable_websocket ?? service?.enable_websocket ?? false,
      timeout: route.timeout,
      inline: inline === undefined ? undefined : this.#groups.hold(inline.owner, inline.config),
      upstreamId: upstreamIdOf(route, service),
      broken,
      perConsumer: new Map(),
    }
  }

  #compileGlobalRules(): void {
    const plugins: Plugins = {}
    for (const [id, rule] of this.#globalRules) {
      for (const [name, conf] of Object.entries(rule.plugins ?? {})) {
        if (this.#options.registry.has(name)) plugins[name] = conf
        else this.#options.log.error({ object: `global_rules/${id}` }, `plugin ${name} is not switched on`)
      }
    }
    try {
      this.globalChain = compileChain(plugins, this.#options.registry, (plugin) =>
        this.environment(plugin, 'global_rules'),
      )
    } catch (error) {
      this.#options.log.error(
        { object: 'global_rules', err: error },
        'global rules do not compile, keeping the last good ones',
      )
    }
  }

  /** The chain of a route for a consumer whose own plugins override the route's. */
  chainFor(route: CompiledRoute, consumer: ObjectOf['consumers']): Chain {
    const known = route.perConsumer.get(consumer.username)
    if (known?.consumer === consumer) return known.chain
    const own = Object.fromEntries(
      Object.entries(consumer.plugins ?? {}).filter(([name]) => !isAuthentication(name)),
    )
    const groupId = consumer.group_id === undefined ? undefined : String(consumer.group_id)
    const group = groupId === undefined ? {} : this.#consumerGroups.get(groupId)?.plugins
    if (group === undefined) return withoutGroup(route.chain)
    const ownerOf = (plugin: string): string => {
      if (Object.hasOwn(own, plugin)) return `consumers/${consumer.username}`
      return Object.hasOwn(group, plugin) ? `consumer_groups/${groupId}` : `routes/${route.id}`
    }
    const environmentOf = (plugin: string) => this.environment(plugin, ownerOf(plugin))
    const added = { ...group, ...own }
    const merged = compileChain({ ...route.plugins, ...added }, this.#options.registry, environmentOf)
    // The rewrite phase of the route's own plugins has run already when the consumer becomes known.
    const rewrite = merged.rewrite.filter((step) => Object.hasOwn(added, step.plugin))
    const chain = Object.keys(added).length === 0 ? { ...route.chain, rewrite: [] } : { ...merged, rewrite }
    route.perConsumer.set(consumer.username, { consumer, chain })
    return chain
  }

  /** Ends health checks, the following of names and of secrets. */
  close(): void {
    this.#groups.close()
    this.secrets.close()
  }

  /** What the upstream of an object needs beside its configuration. */
  surroundings(owner: string): UpstreamSurroundings {
    const { discovery, healthChecks, shared } = this.#options
    return {
      discovery,
      healthChecks,
      health: shared.within(`health ${owner}`),
      identity: (id) => this.certificates.identity(id),
      resolve: (value) => this.secrets.resolve(value),
    }
  }

  environment(plugin: string, owner: string): PluginEnvironment {
    const configured = this.#options.registry.get(plugin)?.attributesOf ?? plugin
    const attributes = this.#options.attributes[configured]
    return {
      owner,
      log: this.#options.log,
      metrics: this.#options.metrics,
      exposition: this.#options.exposition,
      auth: this.auth,
      attributes: isObject(attributes) ? attributes : {},
      metadata: () => this.#metadata.get(plugin) ?? this.#noMetadata,
      shared: this.#options.shared,
      processes: this.#options.processes,
      state: this.#options.states.of(plugin),
      secret: (reference) => this.secrets.get(reference),
      surroundings: (name) => this.surroundings(name),
      proto: (id) => this.#protos.get(id)?.content,
      upstream: (id) => this.upstreams.get(id)?.config,
    }
  }
}

function store<T>(table: Map<string, T>, id: string, value: T | undefined): void {
  if (value === undefined) table.delete(id)
  else table.set(id, value)
}

/** A consumer's group may be what keeps it from something: without it there is no way through. */
function withoutGroup(chain: Chain): Chain {
  const run = () => ({ status: 503 })
  const refusal = { plugin: 'consumer_group', run, filter: undefined, errorResponse: undefined }
  return { ...chain, rewrite: [refusal] }
}

import type { Route, Service, Timeout, Upstream } from '../objects/index.ts'
import type { Chain } from '../plugins/compile.ts'
import type { PathParameters, RouteMatch } from '../route/index.ts'
import type { UpstreamGroup } from '../upstream/index.ts'

/** A route merged with its service and plugin config, its plugins compiled. */
export interface CompiledRoute {
  readonly id: string
  readonly route: Route
  readonly service: Service | undefined
  readonly match: RouteMatch
  /** Its path patterns, where they may have parameters. */
  readonly parameters: readonly PathParameters[]
  readonly chain: Chain
  /** The plugin configurations behind `chain`, to be overlaid by a consumer's. */
  readonly plugins: NonNullable<Route['plugins']>
  readonly websocket: boolean
  readonly timeout: Timeout | undefined
  readonly inline: UpstreamGroup | undefined
  readonly upstreamId: string | undefined
  /** Status answered because something the route refers to is missing: 404 service, 503 plugin config. */
  readonly broken: number | undefined
  /** Chains for consumers with plugins of their own, made when first needed. */
  readonly perConsumer: Map<string, { readonly consumer: object; readonly chain: Chain }>
}

export function matchOf(route: Route, service: Service | undefined): RouteMatch {
  return {
    uris: route.uris ?? (route.uri === undefined ? [] : [route.uri]),
    hosts: route.hosts ?? (route.host === undefined ? (service?.hosts ?? []) : [route.host]),
    methods: route.methods ?? [],
    remoteAddrs: route.remote_addrs ?? (route.remote_addr === undefined ? [] : [route.remote_addr]),
    vars: route.vars ?? [],
    priority: route.priority ?? 0,
  }
}

/** The upstream a route or its service holds itself, with who holds it (`services/1`). */
export function inlineUpstream(
  id: string,
  route: Route,
  service: Service | undefined,
): { readonly owner: string; readonly config: Upstream } | undefined {
  if (route.upstream !== undefined) return { owner: `routes/${id}`, config: route.upstream }
  if (route.upstream_id !== undefined || service?.upstream === undefined) return undefined
  return { owner: `services/${route.service_id}`, config: service.upstream }
}

export function upstreamIdOf(route: Route, service: Service | undefined): string | undefined {
  const id = route.upstream_id ?? (route.upstream === undefined ? service?.upstream_id : undefined)
  return id === undefined ? undefined : String(id)
}

import type { ApisixUpstream, Endpoint, Service, Store } from '#watch'
import { endpointsOfPort, keyFrom } from '#watch'
import type { Upstream, UpstreamNode } from '../objects/index.ts'
import { checksOf } from './health-check.ts'
import { DESCRIPTION, idOf, MANAGED_BY, upstreamName } from './names.ts'
import { inSubset, subsetLabels } from './subsets.ts'
import type { ServiceBackend, Translation } from './translation.ts'

const WEIGHT = 100
/** Servers further away get requests only when the near ones fail. */
const FAR = -1

export interface BackendReference {
  readonly namespace: string
  readonly service: string
  readonly port: number | string
  readonly granularity: 'endpoint' | 'service'
  /** Only endpoints whose Pods have the labels that the ApisixUpstream of the Service gives this name. */
  readonly subset?: string | undefined
  readonly settings?: Partial<Upstream> | undefined
}

function servicePort(service: Service | undefined, port: number | string) {
  return service?.spec.ports.find((one) => (typeof port === 'number' ? one.port === port : one.name === port))
}

/** Registers a backend with the translation and returns the id of its upstream. */
export function addBackend(
  store: Store,
  translation: Translation,
  reference: BackendReference,
  field: string,
): string {
  const { namespace, service: serviceName, granularity, subset = '' } = reference
  const key = keyFrom(namespace, serviceName)
  translation.uses.add(`Service ${key}`)
  translation.uses.add(`ApisixUpstream ${key}`)
  const service = store.get('Service', key)
  const port = servicePort(service, reference.port)
  if (service === undefined) translation.problem(field, `Service ${key} does not exist`)
  else if (port === undefined && service.spec.type !== 'ExternalName') {
    translation.problem(field, `Service ${key} has no port ${reference.port}`)
  }
  if (granularity === 'service' && service?.spec.clusterIP === 'None')
    translation.problem(field, `Service ${key} is headless: resolveGranularity service needs a cluster IP`)
  const upstream = store.get('ApisixUpstream', key)
  const secret = upstream?.spec.tlsSecret
  if (secret !== undefined)
    translation.uses.add(`Secret ${keyFrom(secret.namespace || namespace, secret.name)}`)
  const number = port?.port ?? reference.port
  if (subset !== '' && granularity === 'endpoint' && subsetLabels(upstream, number, subset) === undefined)
    translation.problem(field, `ApisixUpstream ${key} has no subset ${subset}: there are no endpoints`)
  const { settings } = reference
  const plain = upstreamName(namespace, serviceName, number, { subset, granularity })
  // Other settings than everybody else's make it another upstream.
  const name = settings === undefined ? plain : `${plain}_${idOf(JSON.stringify(settings))}`
  const id = idOf(name)
  if (!translation.backends.some((one) => one.id === id)) {
    translation.backends.push({
      id,
      name,
      namespace,
      service: serviceName,
      port: number,
      granularity,
      subset,
      settings,
    })
  }
  return id
}

/** The upstream of a Service port with the nodes it has now, and the settings of the ApisixUpstream of the same name. */
export function backendUpstream(
  store: Store,
  backend: ServiceBackend,
  nodeName: string | undefined,
): Upstream {
  const key = keyFrom(backend.namespace, backend.service)
  return {
    id: backend.id,
    name: backend.name,
    desc: DESCRIPTION,
    labels: MANAGED_BY,
    type: 'roundrobin',
    hash_on: 'vars',
    scheme: 'http',
    pass_host: 'pass',
    ...schemeOf(servicePort(store.get('Service', key), backend.port)?.appProtocol),
    ...upstreamSettings(store, store.get('ApisixUpstream', key), backend.port),
    ...backend.settings,
    nodes: backendNodes(store, key, backend, nodeName),
  }
}

/** KEP-3726: what a Service says its port speaks. */
function schemeOf(appProtocol: string | undefined): Partial<Upstream> {
  if (appProtocol === 'https' || appProtocol === 'kubernetes.io/wss') return { scheme: 'https' }
  return appProtocol === 'grpc' || appProtocol === 'kubernetes.io/h2c' ? { scheme: 'grpc' } : {}
}

/** Whether a Service says that its port speaks WebSocket. */
export function speaksWebSocket(store: Store, reference: BackendReference): boolean {
  const service = store.get('Service', keyFrom(reference.namespace, reference.service))
  const protocol = servicePort(service, reference.port)?.appProtocol
  return protocol === 'kubernetes.io/ws' || protocol === 'kubernetes.io/wss'
}

function backendNodes(
  store: Store,
  key: string,
  backend: ServiceBackend,
  nodeName: string | undefined,
): UpstreamNode[] {
  const service = store.get('Service', key)
  if (service === undefined) return []
  const port = servicePort(service, backend.port)
  if (service.spec.type === 'ExternalName') {
    const number = port?.port ?? (typeof backend.port === 'number' ? backend.port : 80)
    return service.spec.externalName === '' ? [] : [node(service.spec.externalName, number)]
  }
  if (port === undefined) return []
  if (backend.granularity === 'service') {
    const ip = service.spec.clusterIP
    return ip === '' || ip === 'None' ? [] : [node(ip, port.port)]
  }
  const endpoints = endpointsOfPort(store.endpoints.of(key), {
    name: port.name,
    protocol: port.protocol,
  })
    .filter((endpoint) => endpoint.ready && !endpoint.terminating)
    .filter(inSubset(store, backend))
  const near = nearby(store, endpoints, nodeName)
  return endpoints.map((endpoint) => node(endpoint.address, endpoint.port, near(endpoint) ? 0 : FAR))
}

/** Which endpoints are the first choice here, by the hints in the slices (KEP-2433, KEP-4444): all if not all are hinted. */
function nearby(
  store: Store,
  endpoints: readonly Endpoint[],
  nodeName: string | undefined,
): (endpoint: Endpoint) => boolean {
  if (nodeName === undefined) return () => true
  const zone = store.get('Node', nodeName)?.metadata.labels['topology.kubernetes.io/zone'] ?? ''
  for (const [hints, here] of [
    ['nodeHints', nodeName],
    ['zoneHints', zone],
  ] as const) {
    const hinted = endpoints.every((endpoint) => endpoint[hints].length > 0)
    if (here !== '' && hinted && endpoints.some((endpoint) => endpoint[hints].includes(here)))
      return (endpoint) => endpoint[hints].includes(here)
  }
  return () => true
}

function node(host: string, port: number, priority = 0): UpstreamNode {
  return { host, port, weight: WEIGHT, priority }
}

/** The part of an upstream that an ApisixUpstream decides, its port's settings over the general ones. */
export function upstreamSettings(
  store: Store,
  upstream: ApisixUpstream | undefined,
  port: number | string,
): Partial<Upstream> {
  if (upstream === undefined) return {}
  const own = upstream.spec.portLevelSettings.find((one) => one.port === port)
  const merged: Partial<Record<keyof Upstream, unknown>> = {}
  for (const settings of [upstream.spec, own]) {
    if (settings === undefined) continue
    // The decoder gives http where nothing was said.
    if (settings.scheme !== 'http') merged.scheme = settings.scheme
    const tls = clientCertificate(store, upstream.metadata.namespace, settings.tlsSecret)
    if (tls !== undefined) merged.tls = tls
    if (settings.retries !== undefined) merged.retries = settings.retries
    if (settings.timeout !== undefined) {
      merged.timeout = { connect: 60, send: 60, read: 60, ...withoutUndefined(settings.timeout) }
    }
    if (settings.passHost !== undefined) merged.pass_host = settings.passHost
    if (settings.upstreamHost !== '') merged.upstream_host = settings.upstreamHost
    const balancer = settings.loadbalancer?.type
    if (balancer === 'roundrobin' || balancer === 'least_conn' || balancer === 'ewma') merged.type = balancer
    const checks = checksOf(settings.healthCheck)
    if (checks !== undefined) merged.checks = checks
    if (settings.loadbalancer?.type === 'chash') {
      merged.type = 'chash'
      merged.hash_on = settings.loadbalancer.hashOn === '' ? 'vars' : settings.loadbalancer.hashOn
      merged.key = settings.loadbalancer.key
    }
  }
  return merged as Partial<Upstream>
}

/** An ApisixUpstream that lists servers itself. */
export function externalUpstream(store: Store, upstream: ApisixUpstream): Upstream {
  const { namespace, name } = upstream.metadata
  const { discovery, externalNodes } = upstream.spec
  const full = `${namespace}_${name}`
  return {
    id: idOf(full),
    name: full,
    desc: DESCRIPTION,
    labels: MANAGED_BY,
    type: 'roundrobin',
    hash_on: 'vars',
    scheme: 'http',
    pass_host: 'pass',
    ...upstreamSettings(store, upstream, 0),
    ...(discovery === undefined
      ? {
          nodes: externalNodes.map((one) => ({
            host: one.type === 'Service' ? externalName(store, namespace, one.name) : one.name,
            ...(one.port === undefined ? {} : { port: one.port }),
            weight: one.weight,
            priority: 0,
          })),
        }
      : {
          service_name: discovery.serviceName,
          discovery_type: discovery.type,
          discovery_args: discovery.args,
        }),
  }
}

/** An external node of type Service names a Service of type ExternalName. */
function externalName(store: Store, namespace: string, name: string): string {
  const found = store.get('Service', keyFrom(namespace, name))?.spec.externalName ?? ''
  return found === '' ? `${name}.${namespace}.svc` : found
}

/** The certificate shown to servers, from a Secret; undefined as long as the Secret is not there. */
function clientCertificate(
  store: Store,
  namespace: string,
  reference: { readonly name: string; readonly namespace: string } | undefined,
): Upstream['tls'] | undefined {
  if (reference === undefined) return undefined
  const secret = store.get('Secret', keyFrom(reference.namespace || namespace, reference.name))
  const cert = (secret?.data['tls.crt'] ?? secret?.data.cert)?.toString('utf8')
  const key = (secret?.data['tls.key'] ?? secret?.data.key)?.toString('utf8')
  return cert === undefined || key === undefined ? undefined : { client_cert: cert, client_key: key }
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Partial<T>
}

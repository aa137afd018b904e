import type { Endpoint, Service, Store } from '#watch'
import { endpointsOfPort, keyFrom } from '#watch'
import type { Upstream, UpstreamNode } from '../objects/index.ts'
import { upstreamSettings, useSecret } from './apisix-upstream.ts'
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
  for (const settings of [upstream?.spec, ...(upstream?.spec.portLevelSettings ?? [])])
    useSecret(translation, namespace, settings?.tlsSecret)
  const number = port?.port ?? reference.port
  if (subset !== '' && granularity === 'service')
    translation.problem(field, `subset ${subset} means nothing with resolveGranularity service`)
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

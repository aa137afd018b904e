import { createHash } from 'node:crypto'
import { familyOf } from '../objects/address.ts'
import {
  type EndpointPort,
  type EndpointSlice,
  headlessLabel,
  managedByLabel,
  type SliceEndpoint,
  serviceNameLabel,
} from '../objects/endpoint-slice.ts'
import type { IPFamily, StringMap } from '../objects/meta.ts'
import type { Pod } from '../objects/pod.ts'
import type { Service, ServicePort } from '../objects/service.ts'

const noHints: SliceEndpoint['hints'] = Object.freeze({ forZones: [], forNodes: [] })

/** True if a Service's endpoints come from Pods at all. */
export function selectsPods(service: Service): boolean {
  return service.spec.type !== 'ExternalName' && Object.keys(service.spec.selector).length > 0
}

/**
 * The slices the EndpointSlice controller would make for a Service from the Pods it selects
 * (k8s.io/endpointslice, reconciler.go and utils.go): one per address family and set of ports, since
 * named target ports may resolve to other numbers in other Pods. Not split at 100 endpoints.
 */
export function slicesFromPods(
  service: Service,
  pods: Iterable<Pod>,
  zoneOf: (nodeName: string) => string | undefined,
): EndpointSlice[] {
  const groups = new Map<string, { family: IPFamily; ports: EndpointPort[]; endpoints: SliceEndpoint[] }>()
  for (const pod of pods) {
    if (!includes(pod)) continue
    const ports = portsOf(service, pod)
    for (const family of familiesOf(service, pod)) {
      const address = pod.status.podIPs.find((ip) => familyOf(ip) === family)
      if (address === undefined) continue
      const id = `${family} ${ports.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`).join(' ')}`
      let group = groups.get(id)
      if (group === undefined) groups.set(id, (group = { family, ports, endpoints: [] }))
      group.endpoints.push(endpointFrom(service, pod, address, zoneOf))
    }
  }
  return [...groups].map(([id, group]) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: sliceMetadata(service, id, 'endpointslice-controller.k8s.io'),
    addressType: group.family,
    endpoints: group.endpoints.sort(byPodName),
    ports: group.ports,
  }))
}

/** Metadata of a derived slice: named by Service and content class, so that it is the same everywhere. */
export function sliceMetadata(service: Service, id: string, managedBy: string): EndpointSlice['metadata'] {
  const { namespace, name, uid, labels } = service.metadata
  const digest = createHash('sha256').update(`${namespace}/${name} ${id}`).digest('hex')
  const own: Record<string, string> = { [serviceNameLabel]: name, [managedByLabel]: managedBy }
  if (service.spec.clusterIP === 'None') own[headlessLabel] = ''
  const inherited: StringMap = labels
  return {
    namespace,
    name: `${name}-${digest.slice(0, 8)}`,
    uid: `${uid}-${digest.slice(0, 8)}`,
    resourceVersion: '',
    labels: { ...inherited, ...own },
    annotations: {},
  }
}

/** ShouldPodBeInEndpoints: done Pods are no endpoints, neither are those without an address. */
function includes(pod: Pod): boolean {
  const { phase, podIPs } = pod.status
  return phase !== 'Succeeded' && phase !== 'Failed' && podIPs.length > 0
}

/**
 * The families to publish: those of the Service. Where it says none (headless), what the API server
 * would have filled in: both for a dual stack policy, else the cluster's first family, as the Pod has it.
 */
function familiesOf(service: Service, pod: Pod): readonly IPFamily[] {
  const { ipFamilies, ipFamilyPolicy } = service.spec
  if (ipFamilies.length > 0) return ipFamilies
  const present = [...new Set(pod.status.podIPs.map(familyOf))]
  return ipFamilyPolicy === 'SingleStack' ? present.slice(0, 1) : present
}

/** getEndpointPorts: ports whose named target this Pod does not have are left out. */
function portsOf(service: Service, pod: Pod): EndpointPort[] {
  const ports: EndpointPort[] = []
  for (const port of service.spec.ports) {
    const number = targetNumber(port, pod)
    if (number === undefined) continue
    ports.push({ name: port.name, port: number, protocol: port.protocol, appProtocol: port.appProtocol })
  }
  return ports
}

/** FindPort: by name among containers, then among sidecars (init containers that restart always). */
function targetNumber(port: ServicePort, pod: Pod): number | undefined {
  if (typeof port.targetPort === 'number') return port.targetPort
  const sidecars = pod.spec.initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const { name, protocol, containerPort } of container.ports) {
      if (name === port.targetPort && protocol === port.protocol) return containerPort
    }
  }
  return undefined
}

/** podToEndpoint */
function endpointFrom(
  service: Service,
  pod: Pod,
  address: string,
  zoneOf: (nodeName: string) => string | undefined,
): SliceEndpoint {
  const { metadata, spec, status } = pod
  const serving = status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True')
  const terminating = metadata.deletionTimestamp !== undefined
  const named = spec.hostname !== '' && spec.subdomain === service.metadata.name
  return {
    addresses: [address],
    conditions: {
      ready: service.spec.publishNotReadyAddresses || (serving && !terminating),
      serving,
      terminating,
    },
    hostname: named ? spec.hostname : undefined,
    nodeName: spec.nodeName === '' ? undefined : spec.nodeName,
    zone: spec.nodeName === '' ? undefined : zoneOf(spec.nodeName),
    targetRef: { kind: 'Pod', namespace: metadata.namespace, name: metadata.name, uid: metadata.uid },
    hints: noHints,
  }
}

function byPodName(a: SliceEndpoint, b: SliceEndpoint): number {
  const left = a.targetRef?.name ?? ''
  const right = b.targetRef?.name ?? ''
  return left < right ? -1 : left > right ? 1 : 0
}

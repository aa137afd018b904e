import type { Key, Protocol, Service, ServiceEndpoints, Store } from '#watch'
import { nameOfAddress } from './name.ts'
import type { KubernetesOptions } from './options.ts'

/** One address and port that a service leads to, under the name it has in DNS. */
export interface Target {
  readonly address: string
  readonly family: 4 | 6
  /** -1: an address without a port (a slice without ports): no SRV record */
  readonly port: number
  readonly portName: string
  readonly protocol: string
  /** host name below the service (of an import: with the cluster's id), '' for the service's own address */
  readonly host: string
  /** topology zone of an endpoint, '' if unknown */
  readonly zone: string
}

/** A Service, or a ServiceImport, as DNS sees it. */
export interface ServiceEntry {
  readonly key: Key
  readonly name: string
  readonly namespace: string
  readonly headless: boolean
  /** target of the CNAME, '' unless of type ExternalName */
  readonly externalName: string
  /** what the service name itself stands for */
  readonly targets: readonly Target[]
  /** ready endpoints, for names below the service */
  readonly endpoints: readonly Target[]
}

/** Builds the entry of a Service, or undefined where DNS must not show it. */
export function buildEntry(store: Store, key: Key, options: KubernetesOptions): ServiceEntry | undefined {
  const service = store.get('Service', key)
  if (service === undefined) return undefined
  if (options.labels !== undefined && !options.labels(service.metadata.labels)) return undefined
  const { namespace, name } = service.metadata
  const headless = service.spec.clusterIP === 'None'
  const head = { key, name: name.toLowerCase(), namespace, headless }
  if (service.spec.type === 'ExternalName') {
    const target = service.spec.externalName
    // An address is no name: CoreDNS ignores it as well.
    if (target === '' || /^[\d.]+$/.test(target) || target.includes(':')) return undefined
    return { ...head, externalName: target.endsWith('.') ? target : `${target}.`, targets: [], endpoints: [] }
  }
  const endpoints = options.noEndpoints ? [] : endpointTargets(store.endpoints.of(key), options)
  if (headless) return { ...head, externalName: '', targets: endpoints, endpoints }
  if (options.ignoreEmptyService && endpoints.length === 0) return undefined
  return {
    ...head,
    externalName: '',
    targets: clusterTargets(clusterAddresses(service), service.spec.ports),
    endpoints,
  }
}

/** The addresses the API server gave to a Service. */
export function clusterAddresses(service: Service): readonly string[] {
  const { clusterIP, clusterIPs } = service.spec
  const addresses = clusterIPs.length > 0 ? clusterIPs : [clusterIP]
  return addresses.filter((address) => address !== '' && address !== 'None')
}

/** The ports of a service on its own addresses. */
export function clusterTargets(
  addresses: readonly string[],
  ports: readonly { readonly name: string; readonly protocol: Protocol; readonly port: number }[],
): Target[] {
  return ports.flatMap((port) =>
    addresses.map((address) => ({
      address,
      family: familyOf(address),
      port: port.port,
      portName: port.name.toLowerCase(),
      protocol: port.protocol.toLowerCase(),
      host: '',
      zone: '',
    })),
  )
}

/** The ready endpoints among merged slices. */
export function endpointTargets(merged: ServiceEndpoints, options: KubernetesOptions): Target[] {
  const targets: Target[] = []
  const withPort = new Set<string>()
  for (const port of merged.ports) {
    for (const endpoint of port.endpoints) {
      if (!endpoint.ready) continue
      withPort.add(endpoint.address)
      targets.push({
        address: endpoint.address,
        family: endpoint.family,
        port: endpoint.port === 0 ? -1 : endpoint.port,
        portName: port.name.toLowerCase(),
        protocol: port.protocol.toLowerCase(),
        host: hostOf(endpoint, options),
        zone: endpoint.zone?.toLowerCase() ?? '',
      })
    }
  }
  for (const endpoint of merged.addresses) {
    if (!endpoint.ready || withPort.has(endpoint.address)) continue
    const { address, family } = endpoint
    const zone = endpoint.zone?.toLowerCase() ?? ''
    const host = hostOf(endpoint, options)
    targets.push({ address, family, port: -1, portName: '', protocol: '', host, zone })
  }
  return targets
}

/** Host name, else (if asked for) the pod's name, else the address with dashes. */
export function hostOf(
  endpoint: { address: string; hostname?: string | undefined; podName?: string | undefined },
  options: { readonly endpointPodNames: boolean },
): string {
  if (endpoint.hostname !== undefined && endpoint.hostname !== '') return endpoint.hostname.toLowerCase()
  const { podName } = endpoint
  if (options.endpointPodNames && podName !== undefined && podName !== '' && podName.length < 64)
    return podName.toLowerCase()
  return nameOfAddress(endpoint.address)
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

/** The service with its endpoints of one topology zone alone; `prefer` keeps all where there are none. */
export function withinZone(
  entry: ServiceEntry,
  within: { readonly zone: string; readonly how: 'pin' | 'prefer' },
): ServiceEntry {
  const targets = entry.targets.filter(({ zone }) => zone !== '' && zone === within.zone)
  return targets.length === 0 && within.how === 'prefer' ? entry : { ...entry, targets, endpoints: targets }
}

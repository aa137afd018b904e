import { addressIn, canonicalAddress, cidrIn, familyOf, requiredAddressIn } from './address.ts'
import { loadBalancerIn, optionalPortIn, portIn, portOrNameIn, protocolIn } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { IntOrString, IPFamily, KubeObject, Protocol, StringMap } from './meta.ts'

export interface ServicePort {
  /** '' for the only port of a Service */
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
  /** port itself if the manifest gives none */
  readonly targetPort: IntOrString
  /** 0 if none */
  readonly nodePort: number
  readonly appProtocol?: string | undefined
}

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
export type TrafficPolicy = 'Cluster' | 'Local'

export interface LoadBalancerIngress {
  /** '' if a hostname is given */
  readonly ip: string
  readonly hostname: string
  readonly ipMode: 'VIP' | 'Proxy'
}

export interface Service extends KubeObject {
  readonly kind: 'Service'
  readonly spec: {
    readonly type: ServiceType
    /** '' (none yet), 'None' (headless) or an address: always equal to clusterIPs[0] */
    readonly clusterIP: string
    readonly clusterIPs: readonly string[]
    readonly ipFamilies: readonly IPFamily[]
    readonly ipFamilyPolicy: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack'
    readonly ports: readonly ServicePort[]
    /** {} means no selector */
    readonly selector: StringMap
    readonly sessionAffinity: 'None' | 'ClientIP'
    /** seconds, 10800 by default; meaningful for ClientIP */
    readonly sessionAffinityTimeout: number
    readonly externalIPs: readonly string[]
    readonly externalName: string
    readonly externalTrafficPolicy: TrafficPolicy
    readonly internalTrafficPolicy: TrafficPolicy
    /** 0 if none */
    readonly healthCheckNodePort: number
    readonly publishNotReadyAddresses: boolean
    readonly loadBalancerIP: string
    readonly loadBalancerClass: string
    readonly loadBalancerSourceRanges: readonly string[]
    readonly allocateLoadBalancerNodePorts: boolean
    /** PreferClose, PreferSameZone, PreferSameNode or '' */
    readonly trafficDistribution: string
  }
  readonly status: { readonly loadBalancer: { readonly ingress: readonly LoadBalancerIngress[] } }
}

export function decodeService(root: Field): Service {
  const metadata = metadataIn(root.at('metadata'), { namespaced: true })
  const spec = root.at('spec').requiredObject()
  const type = spec.at('type').oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], 'ClusterIP')
  const clusterIPs = type === 'ExternalName' ? [] : clusterIPsIn(spec)
  const ports = spec.at('ports').list(servicePortIn)
  checkPorts(spec, ports, { needed: type !== 'ExternalName' && clusterIPs[0] !== 'None' })
  const externalName = spec.at('externalName').string()
  if (type === 'ExternalName' && externalName === '') {
    spec.at('externalName').expected('the name this Service stands for (type is ExternalName)')
  }
  if (clusterIPs[0] === 'None' && (type === 'NodePort' || type === 'LoadBalancer')) {
    spec.at('clusterIP').reject(`may not be None for type ${type}`)
  }
  const ipFamilies = spec.at('ipFamilies').list((item) => item.requiredOneOf(['IPv4', 'IPv6']))
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      type,
      clusterIP: clusterIPs[0] ?? '',
      clusterIPs,
      ipFamilies: ipFamilies.length > 0 ? ipFamilies : clusterIPs.filter((ip) => ip !== 'None').map(familyOf),
      ipFamilyPolicy: spec
        .at('ipFamilyPolicy')
        .oneOf(
          ['SingleStack', 'PreferDualStack', 'RequireDualStack'],
          clusterIPs.length > 1 || ipFamilies.length > 1 ? 'RequireDualStack' : 'SingleStack',
        ),
      ports,
      selector: spec.at('selector').stringMap(),
      sessionAffinity: spec.at('sessionAffinity').oneOf(['None', 'ClientIP'], 'None'),
      sessionAffinityTimeout: spec
        .at('sessionAffinityConfig')
        .object()
        .at('clientIP')
        .object()
        .at('timeoutSeconds')
        .integer(10800, { min: 1, max: 86400 }),
      externalIPs: spec.at('externalIPs').list(requiredAddressIn),
      externalName,
      externalTrafficPolicy: spec.at('externalTrafficPolicy').oneOf(['Cluster', 'Local'], 'Cluster'),
      internalTrafficPolicy: spec.at('internalTrafficPolicy').oneOf(['Cluster', 'Local'], 'Cluster'),
      healthCheckNodePort: optionalPortIn(spec.at('healthCheckNodePort')),
      publishNotReadyAddresses: spec.at('publishNotReadyAddresses').boolean(false),
      loadBalancerIP: addressIn(spec.at('loadBalancerIP')),
      loadBalancerClass: spec.at('loadBalancerClass').string(),
      loadBalancerSourceRanges: spec.at('loadBalancerSourceRanges').list(cidrIn),
      allocateLoadBalancerNodePorts: spec.at('allocateLoadBalancerNodePorts').boolean(true),
      trafficDistribution: spec.at('trafficDistribution').string(),
    },
    status: { loadBalancer: loadBalancerIn(root.at('status').object().at('loadBalancer')) },
  }
}

/** Joins `clusterIP` and `clusterIPs`; where both are given they have to agree. */
function clusterIPsIn(spec: Field): string[] {
  const read = (field: Field): string => {
    const text = field.string()
    if (text === '' || text === 'None') return text
    const address = canonicalAddress(text)
    if (address === undefined) field.expected('an IP address, None or nothing')
    return address ?? ''
  }
  const single = read(spec.at('clusterIP'))
  const field = spec.at('clusterIPs')
  const several = field.list(read)
  if (several.length === 0) return single === '' ? [] : [single]
  if (single !== '' && several[0] !== single) field.expected(`a list that begins with clusterIP, ${single}`)
  if (several.length > 2) field.reject(`has ${several.length} addresses; expected at most one per family`)
  if (several.includes('None') && several.length > 1) field.reject('has None beside an address')
  if (several.length === 2 && familyOf(several[0] ?? '') === familyOf(several[1] ?? '')) {
    field.reject('has two addresses of one family')
  }
  return several.filter((ip) => ip !== '')
}

function servicePortIn(field: Field): ServicePort {
  const port = portIn(field.requiredObject().at('port'))
  const targetPort = field.at('targetPort')
  const unset = targetPort.missing || targetPort.value === 0 || targetPort.value === ''
  return {
    name: field.at('name').string(),
    protocol: protocolIn(field.at('protocol')),
    port,
    targetPort: unset ? port : (portOrNameIn(targetPort) ?? port),
    nodePort: optionalPortIn(field.at('nodePort')),
    appProtocol: field.at('appProtocol').optionalString(),
  }
}

function checkPorts(spec: Field, ports: readonly ServicePort[], { needed }: { needed: boolean }): void {
  const field = spec.at('ports')
  if (needed && ports.length === 0) field.expected('at least one port')
  const names = new Set<string>()
  const numbers = new Set<string>()
  for (const [index, item] of field.items().entries()) {
    const port = ports[index]
    if (port === undefined) continue
    if (port.name === '' && ports.length > 1) item.at('name').expected('a name (there are several ports)')
    if (names.has(port.name)) item.at('name').expected('a name no other port has')
    const number = `${port.protocol} ${port.port}`
    if (numbers.has(number)) item.at('port').reject(`is ${port.port}/${port.protocol} a second time`)
    names.add(port.name)
    numbers.add(number)
  }
}

import type { EndpointSlice, Node, Service, ServicePort, SliceEndpoint } from '#watch'

const meta = (namespace: string, name: string) => ({
  namespace,
  name,
  uid: `${namespace}-${name}`,
  resourceVersion: '1',
  labels: {},
  annotations: {},
})

export interface ServiceInput {
  readonly namespace?: string
  readonly name: string
  readonly clusterIPs?: readonly string[]
  readonly ports?: readonly (Partial<ServicePort> & { port: number })[]
  readonly labels?: Readonly<Record<string, string>>
  readonly created?: string
  readonly spec?: Partial<Service['spec']>
  /** load balancer VIPs */
  readonly vips?: readonly (string | { readonly ip: string; readonly ipMode: 'VIP' | 'Proxy' })[]
}

/** A Service with every field the store would have filled in. */
export function service(input: ServiceInput): Service {
  const clusterIPs = input.clusterIPs ?? ['10.96.0.10']
  const { namespace = 'shop', name, ports = [{ port: 80 }], vips = [] } = input
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...meta(namespace, name), labels: input.labels ?? {}, creationTimestamp: input.created },
    spec: {
      type: vips.length > 0 ? 'LoadBalancer' : 'ClusterIP',
      clusterIP: clusterIPs[0] ?? '',
      clusterIPs,
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: ports.map((port) => ({
        name: '',
        protocol: 'TCP',
        targetPort: port.port,
        nodePort: 0,
        ...port,
      })),
      selector: {},
      sessionAffinity: 'None',
      sessionAffinityTimeout: 10_800,
      externalIPs: [],
      externalName: '',
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
      healthCheckNodePort: 0,
      publishNotReadyAddresses: false,
      loadBalancerIP: '',
      loadBalancerClass: '',
      loadBalancerSourceRanges: [],
      allocateLoadBalancerNodePorts: true,
      trafficDistribution: '',
      ...input.spec,
    },
    status: {
      loadBalancer: {
        ingress: vips.map((vip) => ({
          hostname: '',
          ipMode: 'VIP' as const,
          ...(typeof vip === 'string' ? { ip: vip } : vip),
        })),
      },
    },
  }
}

export interface EndpointInput {
  readonly address: string
  readonly node?: string
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
  readonly zones?: readonly string[]
  readonly nodes?: readonly string[]
}

/** An EndpointSlice of a Service; a plain string is a ready endpoint on no node. */
export function slice(input: {
  readonly namespace?: string
  readonly service: string
  readonly suffix?: string
  readonly ports?: readonly {
    readonly name?: string
    readonly port: number
    readonly protocol?: 'TCP' | 'UDP' | 'SCTP'
  }[]
  readonly endpoints: readonly (string | EndpointInput)[]
  readonly family?: 4 | 6
}): EndpointSlice {
  const { namespace = 'shop', family = 4, suffix = family === 6 ? 'v6' : 'a' } = input
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...meta(namespace, `${input.service}-${suffix}`),
      labels: { 'kubernetes.io/service-name': input.service },
    },
    addressType: family === 6 ? 'IPv6' : 'IPv4',
    ports: (input.ports ?? [{ port: 8080 }]).map((port) => ({ name: '', protocol: 'TCP', ...port })),
    endpoints: input.endpoints.map(sliceEndpoint),
  }
}

function sliceEndpoint(input: string | EndpointInput): SliceEndpoint {
  const endpoint = typeof input === 'string' ? { address: input } : input
  const terminating = endpoint.terminating ?? false
  return {
    addresses: [endpoint.address],
    conditions: {
      ready: endpoint.ready ?? !terminating,
      serving: endpoint.serving ?? endpoint.ready ?? true,
      terminating,
    },
    nodeName: endpoint.node,
    hints: { forZones: endpoint.zones ?? [], forNodes: endpoint.nodes ?? [] },
  }
}

export function node(input: {
  readonly name: string
  readonly addresses?: readonly string[]
  readonly podCIDRs?: readonly string[]
  readonly zone?: string
}): Node {
  const podCIDRs = input.podCIDRs ?? []
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      ...meta('', input.name),
      labels: input.zone === undefined ? {} : { 'topology.kubernetes.io/zone': input.zone },
    },
    spec: { podCIDR: podCIDRs[0] ?? '', podCIDRs, taints: [], unschedulable: false },
    status: {
      addresses: (input.addresses ?? []).map((address) => ({ type: 'InternalIP', address })),
      conditions: [],
    },
  }
}

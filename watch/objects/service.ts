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

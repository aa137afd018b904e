import type { KubeObject, ObjectReference, Protocol } from './meta.ts'

export interface EndpointPort {
  readonly name: string
  /** undefined: all ports (not used by proxies) */
  readonly port?: number | undefined
  readonly protocol: Protocol
  readonly appProtocol?: string | undefined
}

/** One entry of `endpoints`; conditions have their nil defaults applied (KEP-1672). */
export interface SliceEndpoint {
  readonly addresses: readonly string[]
  readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean }
  readonly hostname?: string | undefined
  readonly nodeName?: string | undefined
  readonly zone?: string | undefined
  readonly targetRef?: ObjectReference | undefined
  readonly hints: { readonly forZones: readonly string[]; readonly forNodes: readonly string[] }
}

export interface EndpointSlice extends KubeObject {
  readonly kind: 'EndpointSlice'
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly endpoints: readonly SliceEndpoint[]
  readonly ports: readonly EndpointPort[]
}

export const serviceNameLabel = 'kubernetes.io/service-name'
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const headlessLabel = 'service.kubernetes.io/headless'

import type { Protocol } from '../objects/meta.ts'

/** One address (and port) behind a Service, conditions with their defaults applied. */
export interface Endpoint {
  /** canonical text; for slices of addressType FQDN see ServiceEndpoints */
  readonly address: string
  readonly family: 4 | 6
  /** 0 in ServiceEndpoints.addresses */
  readonly port: number
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly nodeName?: string | undefined
  readonly zone?: string | undefined
  readonly hostname?: string | undefined
  readonly podName?: string | undefined
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
}

/** The endpoints of one port name + protocol, over all slices, sorted by address and port. */
export interface PortEndpoints {
  readonly name: string
  readonly protocol: Protocol
  readonly appProtocol?: string | undefined
  readonly endpoints: readonly Endpoint[]
}

/** The merged EndpointSlices of one Service. Immutable; a change makes a new one. Slices of type FQDN are left out. */
export interface ServiceEndpoints {
  /** distinct addresses, those of slices without ports included, sorted */
  readonly addresses: readonly Endpoint[]
  /** sorted by name and protocol */
  readonly ports: readonly PortEndpoints[]
}

export const noEndpoints: ServiceEndpoints = Object.freeze({
  addresses: Object.freeze([]),
  ports: Object.freeze([]),
})

/**
 * The endpoints of a Service port: slices join it by port name and protocol, never by number
 * (named target ports differ between pods).
 */
export function endpointsOfPort(
  endpoints: ServiceEndpoints,
  port: { readonly name: string; readonly protocol: Protocol },
): readonly Endpoint[] {
  for (const candidate of endpoints.ports) {
    if (candidate.name === port.name && candidate.protocol === port.protocol) return candidate.endpoints
  }
  return []
}

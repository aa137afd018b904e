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

/** `after` with all that is equal taken from `before`; `before` itself if everything is. */
export function carryOver(before: ServiceEndpoints, after: ServiceEndpoints): ServiceEndpoints {
  const addresses = carryOverList(before.addresses, after.addresses)
  const ports = after.ports.map((port, index) => {
    const earlier = before.ports[index]
    if (earlier?.name !== port.name || earlier.protocol !== port.protocol) return port
    const endpoints = carryOverList(earlier.endpoints, port.endpoints)
    const same = endpoints === earlier.endpoints && earlier.appProtocol === port.appProtocol
    return same ? earlier : { ...port, endpoints }
  })
  const same =
    addresses === before.addresses &&
    ports.length === before.ports.length &&
    ports.every((port, index) => port === before.ports[index])
  return same ? before : { addresses, ports }
}

/** Both are sorted by address and port. */
function carryOverList(before: readonly Endpoint[], after: readonly Endpoint[]): readonly Endpoint[] {
  let at = 0
  let carried = 0
  const list = after.map((endpoint) => {
    let earlier = before[at]
    while (earlier !== undefined && byAddress(earlier, endpoint) < 0) earlier = before[++at]
    if (earlier === undefined || !sameEndpoint(earlier, endpoint)) return endpoint
    carried++
    return earlier
  })
  return carried === before.length && carried === after.length ? before : list
}

/** The order of endpoints in lists. */
export function byAddress(a: Endpoint, b: Endpoint): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return (
    a.address === b.address &&
    a.family === b.family &&
    a.port === b.port &&
    a.ready === b.ready &&
    a.serving === b.serving &&
    a.terminating === b.terminating &&
    a.nodeName === b.nodeName &&
    a.zone === b.zone &&
    a.hostname === b.hostname &&
    a.podName === b.podName &&
    sameTexts(a.zoneHints, b.zoneHints) &&
    sameTexts(a.nodeHints, b.nodeHints)
  )
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((text, index) => text === b[index]))
}

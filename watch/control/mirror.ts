import { familyOf } from '../objects/address.ts'
import type { EndpointSlice, SliceEndpoint } from '../objects/endpoint-slice.ts'
import type { EndpointAddress, Endpoints } from '../objects/endpoints.ts'
import type { Service } from '../objects/service.ts'
import { sliceMetadata } from './pod-endpoints.ts'

const noHints: SliceEndpoint['hints'] = Object.freeze({ forZones: [], forNodes: [] })

/** Endpoints that ask not to be mirrored (leader election records, or the user's wish). */
export function isMirrored(endpoints: Endpoints): boolean {
  const { labels, annotations } = endpoints.metadata
  return (
    labels['endpointslice.kubernetes.io/skip-mirror'] !== 'true' &&
    annotations['control-plane.alpha.kubernetes.io/leader'] === undefined
  )
}

/** The slices the EndpointSlice mirroring controller would make (KEP-752): one per subset and family. */
export function slicesFromEndpoints(service: Service, endpoints: Endpoints): EndpointSlice[] {
  const slices: EndpointSlice[] = []
  for (const [index, subset] of endpoints.subsets.entries()) {
    for (const family of ['IPv4', 'IPv6'] as const) {
      const pick = (list: readonly EndpointAddress[], ready: boolean): SliceEndpoint[] =>
        list.filter(({ ip }) => familyOf(ip) === family).map((address) => mirrored(address, { ready }))
      const members = [...pick(subset.addresses, true), ...pick(subset.notReadyAddresses, false)]
      if (members.length === 0) continue
      slices.push({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: sliceMetadata(
          service,
          `mirror ${index} ${family}`,
          'endpointslicemirroring-controller.k8s.io',
        ),
        addressType: family,
        endpoints: members,
        ports: subset.ports,
      })
    }
  }
  return slices
}

function mirrored(address: EndpointAddress, { ready }: { ready: boolean }): SliceEndpoint {
  return {
    addresses: [address.ip],
    conditions: { ready, serving: ready, terminating: false },
    hostname: address.hostname,
    nodeName: address.nodeName,
    targetRef: address.targetRef,
    hints: noHints,
  }
}

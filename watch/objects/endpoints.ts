import type { EndpointPort } from './endpoint-slice.ts'
import type { KubeObject, ObjectReference } from './meta.ts'

export interface EndpointAddress {
  readonly ip: string
  readonly hostname?: string | undefined
  readonly nodeName?: string | undefined
  readonly targetRef?: ObjectReference | undefined
}

export interface EndpointSubset {
  readonly addresses: readonly EndpointAddress[]
  readonly notReadyAddresses: readonly EndpointAddress[]
  readonly ports: readonly EndpointPort[]
}

/** The old core/v1 Endpoints: mirrored into EndpointSlices where a Service has none. */
export interface Endpoints extends KubeObject {
  readonly kind: 'Endpoints'
  readonly subsets: readonly EndpointSubset[]
}

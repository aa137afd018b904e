import { requiredAddressIn } from './address.ts'
import { referenceIn } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { EndpointPort } from './endpoint-slice.ts'
import { endpointPortIn } from './endpoint-slice.ts'
import type { Field } from './field.ts'
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

export function decodeEndpoints(root: Field): Endpoints {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    subsets: root.at('subsets').list((subset) => ({
      addresses: subset.requiredObject().at('addresses').list(endpointAddressIn),
      notReadyAddresses: subset.at('notReadyAddresses').list(endpointAddressIn),
      ports: subset.at('ports').list(endpointPortIn),
    })),
  }
}

function endpointAddressIn(field: Field): EndpointAddress {
  return {
    ip: requiredAddressIn(field.requiredObject().at('ip')),
    hostname: field.at('hostname').optionalString(),
    nodeName: field.at('nodeName').optionalString(),
    targetRef: referenceIn(field.at('targetRef')),
  }
}

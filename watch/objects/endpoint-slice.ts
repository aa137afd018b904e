import { canonicalAddress } from './address.ts'
import { optionalPortIn, protocolIn, referenceIn } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
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

export function decodeEndpointSlice(root: Field): EndpointSlice {
  const addressType = root.at('addressType').requiredOneOf(['IPv4', 'IPv6', 'FQDN'])
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    addressType,
    endpoints: root.at('endpoints').list((item) => sliceEndpointIn(item, addressType)),
    ports: root.at('ports').list(endpointPortIn),
  }
}

/** Shared strings and objects: most endpoints have no hints and the same conditions. */
export const noHints: SliceEndpoint['hints'] = Object.freeze({
  forZones: Object.freeze([]),
  forNodes: Object.freeze([]),
})

const allConditions = Array.from({ length: 8 }, (_, bits) =>
  Object.freeze({ ready: (bits & 4) !== 0, serving: (bits & 2) !== 0, terminating: (bits & 1) !== 0 }),
)

/** The one object that stands for these conditions. */
export function sliceConditions({
  ready,
  serving,
  terminating,
}: SliceEndpoint['conditions']): SliceEndpoint['conditions'] {
  const bits = (ready ? 4 : 0) + (serving ? 2 : 0) + (terminating ? 1 : 0)
  return allConditions[bits] ?? { ready, serving, terminating }
}

function sliceEndpointIn(field: Field, addressType: EndpointSlice['addressType']): SliceEndpoint {
  const conditions = field.requiredObject().at('conditions').object()
  const hints = field.at('hints')
  const addresses = field.at('addresses').list((item) => {
    const text = item.requiredString()
    if (addressType === 'FQDN' || text === '') return text
    const address = canonicalAddress(text)
    if (address === undefined || address.includes(':') !== (addressType === 'IPv6')) {
      item.expected(`an ${addressType} address`)
    }
    return address ?? ''
  })
  if (addresses.length === 0) field.at('addresses').expected('at least one address')
  return {
    addresses,
    conditions: sliceConditions({
      ready: conditions.at('ready').boolean(true),
      serving: conditions.at('serving').boolean(true),
      terminating: conditions.at('terminating').boolean(false),
    }),
    hostname: field.at('hostname').optionalString(),
    nodeName: field.at('nodeName').optionalString(),
    zone: field.at('zone').optionalString(),
    targetRef: targetRefIn(field.at('targetRef')),
    hints: hints.missing
      ? noHints
      : {
          forZones: hints
            .object()
            .at('forZones')
            .list((item) => item.requiredObject().at('name').requiredString()),
          forNodes: hints.at('forNodes').list((item) => item.requiredObject().at('name').requiredString()),
        },
  }
}

/** Kind and name are what is used of it; a hundred thousand uids are not kept. */
function targetRefIn(field: Field): ObjectReference | undefined {
  const { kind, name } = referenceIn(field) ?? {}
  return kind === undefined || name === undefined ? undefined : { kind, namespace: '', name, uid: '' }
}

/** A port of a slice or of Endpoints. */
export function endpointPortIn(field: Field): EndpointPort {
  const port = optionalPortIn(field.requiredObject().at('port'))
  return {
    name: field.at('name').string(),
    port: port === 0 ? undefined : port,
    protocol: protocolIn(field.at('protocol')),
    appProtocol: field.at('appProtocol').optionalString(),
  }
}

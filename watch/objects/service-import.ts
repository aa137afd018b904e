import { addressIn, familyOf } from './address.ts'
import { portIn, protocolIn } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { KubeObject, Protocol } from './meta.ts'

export interface ServiceImportPort {
  /** '' for the only port */
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
}

/** A Service that clusters of a set export under one name (KEP-1645). */
export interface ServiceImport extends KubeObject {
  readonly kind: 'ServiceImport'
  readonly spec: {
    readonly type: 'ClusterSetIP' | 'Headless'
    /** addresses of the Service in this cluster; empty if headless */
    readonly ips: readonly string[]
    readonly ports: readonly ServiceImportPort[]
  }
}

/** On an EndpointSlice: name of the ServiceImport (of the slice's namespace) that it belongs to. */
export const importNameLabel = 'multicluster.kubernetes.io/service-name'
/** On such a slice: id of the cluster that its endpoints are in. */
export const sourceClusterLabel = 'multicluster.kubernetes.io/source-cluster'

export function decodeServiceImport(root: Field): ServiceImport {
  const spec = root.at('spec').requiredObject()
  return {
    apiVersion: 'multicluster.x-k8s.io/v1alpha1',
    kind: 'ServiceImport',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: {
      type: spec.at('type').requiredOneOf(['ClusterSetIP', 'Headless']),
      ips: addressesIn(spec.at('ips')),
      ports: spec.at('ports').list(importPortIn),
    },
  }
}

/** At most one of each family. */
function addressesIn(field: Field): string[] {
  const addresses = field.list(addressIn).filter((address) => address !== '')
  if (new Set(addresses.map(familyOf)).size !== addresses.length)
    field.reject('has two addresses of one family')
  return addresses
}

function importPortIn(field: Field): ServiceImportPort {
  return {
    name: field.requiredObject().at('name').string(),
    protocol: protocolIn(field.at('protocol')),
    port: portIn(field.at('port')),
  }
}

import { cidrIn } from './address.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { KubeObject } from './meta.ts'

/** Networks that clusterIPs come from (KEP-1880): at most one of each family. */
export interface ServiceCIDR extends KubeObject {
  readonly kind: 'ServiceCIDR'
  readonly spec: { readonly cidrs: readonly string[] }
}

export function decodeServiceCIDR(root: Field): ServiceCIDR {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: metadataIn(root.at('metadata'), { namespaced: false }),
    spec: { cidrs: root.at('spec').object().at('cidrs').list(cidrIn) },
  }
}

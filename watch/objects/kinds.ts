import type { ApisixConsumer } from './apisix-consumer.ts'
import type { ApisixGlobalRule, ApisixPluginConfig } from './apisix-plugin-config.ts'
import type { ApisixRoute } from './apisix-route.ts'
import type { ApisixTls } from './apisix-tls.ts'
import type { ApisixUpstream } from './apisix-upstream.ts'
import type { ConfigMap } from './config-map.ts'
import type { EndpointSlice } from './endpoint-slice.ts'
import type { Endpoints } from './endpoints.ts'
import type { Ingress, IngressClass } from './ingress.ts'
import type { Namespace } from './namespace.ts'
import type { NetworkPolicy } from './network-policy.ts'
import type { Node } from './node.ts'
import type { Pod } from './pod.ts'
import type { Secret } from './secret.ts'
import type { Service } from './service.ts'
import type { ServiceCIDR } from './service-cidr.ts'
import type { ServiceImport } from './service-import.ts'

/** Every kind the store keeps. */
export interface KindMap {
  Node: Node
  Namespace: Namespace
  Pod: Pod
  Service: Service
  EndpointSlice: EndpointSlice
  Endpoints: Endpoints
  Secret: Secret
  ConfigMap: ConfigMap
  IngressClass: IngressClass
  Ingress: Ingress
  NetworkPolicy: NetworkPolicy
  ServiceCIDR: ServiceCIDR
  ServiceImport: ServiceImport
  ApisixRoute: ApisixRoute
  ApisixUpstream: ApisixUpstream
  ApisixTls: ApisixTls
  ApisixConsumer: ApisixConsumer
  ApisixPluginConfig: ApisixPluginConfig
  ApisixGlobalRule: ApisixGlobalRule
}

export type Kind = keyof KindMap
export type AnyObject = KindMap[Kind]

/** Where a kind lives in the API. `apiVersions`: those we can read, the preferred one first. */
export interface KindFacts {
  readonly apiVersions: readonly string[]
  readonly namespaced: boolean
}

const apisix = { apiVersions: ['apisix.apache.org/v2'], namespaced: true } as const

export const kindFacts: { readonly [K in Kind]: KindFacts } = {
  Node: { apiVersions: ['v1'], namespaced: false },
  Namespace: { apiVersions: ['v1'], namespaced: false },
  Pod: { apiVersions: ['v1'], namespaced: true },
  Service: { apiVersions: ['v1'], namespaced: true },
  EndpointSlice: { apiVersions: ['discovery.k8s.io/v1'], namespaced: true },
  Endpoints: { apiVersions: ['v1'], namespaced: true },
  Secret: { apiVersions: ['v1'], namespaced: true },
  ConfigMap: { apiVersions: ['v1'], namespaced: true },
  IngressClass: { apiVersions: ['networking.k8s.io/v1'], namespaced: false },
  Ingress: { apiVersions: ['networking.k8s.io/v1'], namespaced: true },
  NetworkPolicy: { apiVersions: ['networking.k8s.io/v1'], namespaced: true },
  ServiceCIDR: { apiVersions: ['networking.k8s.io/v1'], namespaced: false },
  ServiceImport: { apiVersions: ['multicluster.x-k8s.io/v1alpha1'], namespaced: true },
  ApisixRoute: apisix,
  ApisixUpstream: apisix,
  ApisixTls: apisix,
  ApisixConsumer: apisix,
  ApisixPluginConfig: apisix,
  ApisixGlobalRule: apisix,
}

export const kinds = Object.keys(kindFacts) as readonly Kind[]

/** True for the name of a kind the store keeps. */
export function isKind(name: string): name is Kind {
  return Object.hasOwn(kindFacts, name)
}

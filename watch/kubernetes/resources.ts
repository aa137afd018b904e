import { type Kind, kindFacts, kinds } from '../objects/kinds.ts'
import { messages } from './wire/messages.ts'

/** Where a kind is served. */
export interface Resource {
  readonly kind: Kind
  /** '' for the core group */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly apiVersion: string
  readonly namespaced: boolean
  /** a custom resource: may be missing, and come and go while we run */
  readonly optional: boolean
}

const plurals: { readonly [K in Kind]: string } = {
  Node: 'nodes',
  Namespace: 'namespaces',
  Pod: 'pods',
  Service: 'services',
  EndpointSlice: 'endpointslices',
  Endpoints: 'endpoints',
  Secret: 'secrets',
  ConfigMap: 'configmaps',
  IngressClass: 'ingressclasses',
  Ingress: 'ingresses',
  NetworkPolicy: 'networkpolicies',
  ServiceCIDR: 'servicecidrs',
  ServiceImport: 'serviceimports',
  ApisixRoute: 'apisixroutes',
  ApisixUpstream: 'apisixupstreams',
  ApisixTls: 'apisixtlses',
  ApisixConsumer: 'apisixconsumers',
  ApisixPluginConfig: 'apisixpluginconfigs',
  ApisixGlobalRule: 'apisixglobalrules',
}

/** The resource of a kind, in the API version preferred. */
export function resourceOf(kind: Kind): Resource {
  const { apiVersions, namespaced } = kindFacts[kind]
  const apiVersion = apiVersions[0] ?? 'v1'
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  return {
    kind,
    group: group ?? '',
    version: version ?? 'v1',
    plural: plurals[kind],
    apiVersion,
    namespaced,
    optional: messages[kind] === undefined,
  }
}

/** `/api/v1` or `/apis/<group>/<version>`. */
export function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
}

/** The path of a collection, or of one object (and one of its subresources) in it. */
export function pathOf(
  resource: Pick<Resource, 'apiVersion' | 'plural'>,
  target: { readonly namespace?: string; readonly name?: string; readonly subresource?: string } = {},
): string {
  const parts = [groupPath(resource.apiVersion)]
  if (target.namespace !== undefined && target.namespace !== '') {
    parts.push('namespaces', encodeURIComponent(target.namespace))
  }
  parts.push(resource.plural)
  if (target.name !== undefined) parts.push(encodeURIComponent(target.name))
  if (target.subresource !== undefined) parts.push(target.subresource)
  return parts.join('/')
}

export const allResources: readonly Resource[] = kinds.map(resourceOf)

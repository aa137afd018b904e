import { loadBalancerIn, portLimits } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { KubeObject } from './meta.ts'
import type { LoadBalancerIngress } from './service.ts'

/** A resource in a group of the API, as Ingress backends and class parameters name it. */
export interface ResourceReference {
  readonly apiGroup: string
  readonly kind: string
  readonly name: string
  readonly namespace: string
}

export interface IngressClass extends KubeObject {
  readonly kind: 'IngressClass'
  readonly spec: { readonly controller: string; readonly parameters?: ResourceReference | undefined }
}

export interface IngressBackend {
  readonly service?: { readonly name: string; readonly port: IngressServicePort } | undefined
  readonly resource?: ResourceReference | undefined
}

/** Exactly one is meaningful: name '' means by number, number 0 means by name. */
export interface IngressServicePort {
  readonly name: string
  readonly number: number
}

export interface IngressPath {
  /** '' allowed with ImplementationSpecific */
  readonly path: string
  readonly pathType: 'Exact' | 'Prefix' | 'ImplementationSpecific'
  readonly backend: IngressBackend
}

export interface IngressRule {
  /** '' matches every host; may be `*.example.com` */
  readonly host: string
  readonly paths: readonly IngressPath[]
}

export interface IngressTLS {
  readonly hosts: readonly string[]
  readonly secretName: string
}

export interface Ingress extends KubeObject {
  readonly kind: 'Ingress'
  readonly spec: {
    readonly ingressClassName?: string | undefined
    readonly defaultBackend?: IngressBackend | undefined
    /** `http.paths` of each rule is flattened to `paths` */
    readonly rules: readonly IngressRule[]
    readonly tls: readonly IngressTLS[]
  }
  readonly status: { readonly loadBalancer: { readonly ingress: readonly LoadBalancerIngress[] } }
}

export function decodeIngressClass(root: Field): IngressClass {
  const spec = root.at('spec').object()
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: metadataIn(root.at('metadata'), { namespaced: false }),
    spec: { controller: spec.at('controller').string(), parameters: resourceIn(spec.at('parameters')) },
  }
}

export function decodeIngress(root: Field): Ingress {
  const spec = root.at('spec').requiredObject()
  const rules = spec.at('rules').list(ruleIn)
  const defaultBackend = spec.at('defaultBackend')
  if (rules.length === 0 && defaultBackend.missing) spec.at('rules').expected('rules, or a defaultBackend')
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: {
      ingressClassName: spec.at('ingressClassName').optionalString(),
      defaultBackend: defaultBackend.missing ? undefined : backendIn(defaultBackend),
      rules,
      tls: spec.at('tls').list((item) => ({
        hosts: item.requiredObject().at('hosts').list(hostIn),
        secretName: item.at('secretName').string(),
      })),
    },
    status: { loadBalancer: loadBalancerIn(root.at('status').object().at('loadBalancer')) },
  }
}

function ruleIn(field: Field): IngressRule {
  return {
    host: hostIn(field.requiredObject().at('host')),
    paths: field.at('http').object().at('paths').list(pathIn),
  }
}

/** A DNS name, or a wildcard for exactly one first label. */
function hostIn(field: Field): string {
  const host = field.string()
  if (host !== '' && !/^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(host)) {
    field.expected('a lower case DNS name such as shop.example.com or *.example.com, no address, no port')
  }
  return host
}

function pathIn(field: Field): IngressPath {
  const pathType = field
    .requiredObject()
    .at('pathType')
    .oneOf(['Exact', 'Prefix', 'ImplementationSpecific'], 'ImplementationSpecific')
  const path = field.at('path').string()
  if ((pathType !== 'ImplementationSpecific' || path !== '') && !path.startsWith('/')) {
    field.at('path').expected('a path that begins with /')
  }
  if (pathType !== 'ImplementationSpecific' && /\/\/|\/\.{1,2}(\/|$)|%2f|%5c/i.test(path)) {
    field.at('path').expected('a path without "//", "/./", "/../", %2f and %5c')
  }
  return { path, pathType, backend: backendIn(field.at('backend')) }
}

function backendIn(field: Field): IngressBackend {
  const service = field.requiredObject().at('service')
  if (service.missing) {
    const resource = field.at('resource')
    if (resource.missing) service.expected('a service, or a resource beside it')
    return { resource: resourceIn(resource) }
  }
  const port = service.object().at('port').requiredObject()
  const name = port.at('name').string()
  const number = port.at('number').missing ? 0 : port.at('number').integer(0, portLimits)
  if (name === '' && number === 0 && port.at('number').missing) port.expected('a port name or number')
  if (name !== '' && number !== 0) port.reject('has both name and number; expected one of them')
  return { service: { name: service.at('name').requiredString(), port: { name, number } } }
}

function resourceIn(field: Field): ResourceReference | undefined {
  if (field.missing) return undefined
  return {
    apiGroup: field.object().at('apiGroup').string(),
    kind: field.at('kind').requiredString(),
    name: field.at('name').requiredString(),
    namespace: field.at('namespace').string(),
  }
}

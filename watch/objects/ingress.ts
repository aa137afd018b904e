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

import type { ApisixPlugin } from './apisix-route.ts'
import type { JsonObject, KubeObject } from './meta.ts'

export type ApisixAuthKind = 'basicAuth' | 'keyAuth' | 'wolfRBAC' | 'jwtAuth' | 'hmacAuth' | 'ldapAuth'

/** One authentication method of a consumer: `value` inline, or the Secret's data. */
export interface ApisixAuthParameter {
  readonly kind: ApisixAuthKind
  readonly value?: JsonObject | undefined
  /** a Secret of the same namespace; '' if none */
  readonly secretRef: string
}

export interface ApisixConsumer extends KubeObject {
  readonly kind: 'ApisixConsumer'
  readonly spec: {
    readonly ingressClassName?: string | undefined
    /** the object `authParameter` of the CRD as a list */
    readonly authParameters: readonly ApisixAuthParameter[]
    readonly plugins: readonly ApisixPlugin[]
  }
}

import type { KubeObject } from './meta.ts'

export interface SecretReference {
  readonly name: string
  readonly namespace: string
}

export interface ApisixTls extends KubeObject {
  readonly kind: 'ApisixTls'
  readonly spec: {
    readonly ingressClassName?: string | undefined
    readonly hosts: readonly string[]
    readonly secret: SecretReference
    readonly client?:
      | {
          readonly caSecret: SecretReference
          readonly depth: number
          readonly skip_mtls_uri_regex: readonly string[]
        }
      | undefined
  }
}

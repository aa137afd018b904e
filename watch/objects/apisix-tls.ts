import { apisixVersion } from './apisix-common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
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

export function decodeApisixTls(root: Field): ApisixTls {
  const metadata = metadataIn(root.at('metadata'), { namespaced: true })
  const spec = root.at('spec').requiredObject()
  const secretIn = (field: Field): SecretReference => ({
    name: field.requiredObject().at('name').requiredString(),
    namespace: field.at('namespace').string(metadata.namespace),
  })
  const hosts = spec.at('hosts').strings()
  if (hosts.length === 0) spec.at('hosts').expected('at least one host')
  const client = spec.at('client').object()
  return {
    apiVersion: apisixVersion,
    kind: 'ApisixTls',
    metadata,
    spec: {
      ingressClassName: spec.at('ingressClassName').optionalString(),
      hosts,
      secret: secretIn(spec.at('secret')),
      client: client.missing
        ? undefined
        : {
            caSecret: secretIn(client.at('caSecret')),
            depth: client.at('depth').integer(1, { min: 0, max: 100 }),
            skip_mtls_uri_regex: client.at('skip_mtls_uri_regex').strings(),
          },
    },
  }
}

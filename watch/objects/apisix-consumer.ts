import { type ApisixPlugin, apisixVersion, pluginsIn } from './apisix-common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { JsonObject, KubeObject } from './meta.ts'

const authKinds = ['basicAuth', 'keyAuth', 'wolfRBAC', 'jwtAuth', 'hmacAuth', 'ldapAuth'] as const
export type ApisixAuthKind = (typeof authKinds)[number]

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

export function decodeApisixConsumer(root: Field): ApisixConsumer {
  const spec = root.at('spec').requiredObject()
  const parameters = spec.at('authParameter').requiredObject()
  const authParameters = authKinds
    .filter((kind) => !parameters.at(kind).missing)
    .map((kind) => authParameterIn(kind, parameters.at(kind).object()))
  for (const [name, item] of parameters.entries()) {
    if (!authKinds.some((kind) => kind === name))
      item.reject(`is unknown; expected one of ${authKinds.join(', ')}`)
  }
  return {
    apiVersion: apisixVersion,
    kind: 'ApisixConsumer',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: {
      ingressClassName: spec.at('ingressClassName').optionalString(),
      authParameters,
      plugins: pluginsIn(spec.at('plugins')),
    },
  }
}

function authParameterIn(kind: ApisixAuthKind, field: Field): ApisixAuthParameter {
  const value = field.at('value')
  const secretRef = field.at('secretRef')
  if (value.missing && secretRef.missing)
    field.reject('has neither value nor secretRef; expected one of them')
  return {
    kind,
    value: value.missing ? undefined : value.jsonObject(),
    secretRef: secretRef.missing ? '' : secretRef.object().at('name').requiredString(),
  }
}

import { base64MapIn } from './base64.ts'
import { metadataIn } from './decode-meta.ts'
import { define, type Field } from './field.ts'
import type { KubeObject } from './meta.ts'

export interface Secret extends KubeObject {
  readonly kind: 'Secret'
  readonly type: string
  /** decoded from base64; stringData laid over it */
  readonly data: Readonly<Record<string, Buffer>>
}

export function decodeSecret(root: Field): Secret {
  const data = base64MapIn(root.at('data'))
  for (const [name, item] of root.at('stringData').entries()) {
    if (typeof item.value === 'string') define(data, name, Buffer.from(item.value))
    else item.reject('is not a string (quote numbers and booleans in YAML)')
  }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    type: root.at('type').string('Opaque'),
    data,
  }
}

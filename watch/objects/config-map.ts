import { base64MapIn } from './base64.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { KubeObject, StringMap } from './meta.ts'

export interface ConfigMap extends KubeObject {
  readonly kind: 'ConfigMap'
  readonly data: StringMap
  readonly binaryData: Readonly<Record<string, Buffer>>
}

export function decodeConfigMap(root: Field): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    data: root.at('data').stringMap(),
    binaryData: base64MapIn(root.at('binaryData')),
  }
}

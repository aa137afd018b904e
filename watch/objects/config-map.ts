import type { KubeObject, StringMap } from './meta.ts'

export interface ConfigMap extends KubeObject {
  readonly kind: 'ConfigMap'
  readonly data: StringMap
  readonly binaryData: Readonly<Record<string, Buffer>>
}

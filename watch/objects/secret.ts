import type { KubeObject } from './meta.ts'

export interface Secret extends KubeObject {
  readonly kind: 'Secret'
  readonly type: string
  /** decoded from base64; stringData laid over it */
  readonly data: Readonly<Record<string, Buffer>>
}

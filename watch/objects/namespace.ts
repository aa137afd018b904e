import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { KubeObject } from './meta.ts'

export interface Namespace extends KubeObject {
  readonly kind: 'Namespace'
  readonly status: { readonly phase: 'Active' | 'Terminating' }
}

export function decodeNamespace(root: Field): Namespace {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: metadataIn(root.at('metadata'), { namespaced: false }),
    status: {
      phase: root.at('status').object().at('phase').oneOf(['Active', 'Terminating'], 'Active'),
    },
  }
}

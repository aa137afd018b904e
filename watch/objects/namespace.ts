import type { KubeObject } from './meta.ts'

export interface Namespace extends KubeObject {
  readonly kind: 'Namespace'
  readonly status: { readonly phase: 'Active' | 'Terminating' }
}

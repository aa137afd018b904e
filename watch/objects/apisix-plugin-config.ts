import type { ApisixPlugin } from './apisix-route.ts'
import type { KubeObject } from './meta.ts'

export interface ApisixPluginConfig extends KubeObject {
  readonly kind: 'ApisixPluginConfig'
  readonly spec: { readonly ingressClassName?: string | undefined; readonly plugins: readonly ApisixPlugin[] }
}

export interface ApisixGlobalRule extends KubeObject {
  readonly kind: 'ApisixGlobalRule'
  readonly spec: { readonly ingressClassName?: string | undefined; readonly plugins: readonly ApisixPlugin[] }
}

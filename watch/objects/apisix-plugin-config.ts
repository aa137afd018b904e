import { type ApisixPlugin, apisixVersion, pluginsIn } from './apisix-common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { KubeObject } from './meta.ts'

export interface ApisixPluginConfig extends KubeObject {
  readonly kind: 'ApisixPluginConfig'
  readonly spec: { readonly ingressClassName?: string | undefined; readonly plugins: readonly ApisixPlugin[] }
}

export interface ApisixGlobalRule extends KubeObject {
  readonly kind: 'ApisixGlobalRule'
  readonly spec: { readonly ingressClassName?: string | undefined; readonly plugins: readonly ApisixPlugin[] }
}

export function decodeApisixPluginConfig(root: Field): ApisixPluginConfig {
  return {
    apiVersion: apisixVersion,
    kind: 'ApisixPluginConfig',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: pluginSpecIn(root.at('spec').requiredObject()),
  }
}

export function decodeApisixGlobalRule(root: Field): ApisixGlobalRule {
  return {
    apiVersion: apisixVersion,
    kind: 'ApisixGlobalRule',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: pluginSpecIn(root.at('spec').requiredObject()),
  }
}

function pluginSpecIn(spec: Field): ApisixPluginConfig['spec'] {
  return {
    ingressClassName: spec.at('ingressClassName').optionalString(),
    plugins: pluginsIn(spec.at('plugins')),
  }
}

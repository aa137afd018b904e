import type { ApisixPlugin, Store } from '#watch'
import { keyFrom } from '#watch'
import { setAt } from '../admin/merge.ts'
import type { JsonObject, Plugins } from '../objects/index.ts'
import { checkPlugins, type Plugin } from '../plugins/index.ts'
import { idOf } from './names.ts'
import type { Translation } from './translation.ts'

export interface TranslationContext {
  /** The node the gateway runs on, if it knows. */
  readonly nodeName?: string | undefined
  readonly store: Store
  readonly registry: ReadonlyMap<string, Plugin>
  readonly ingressClass: string
}

/**
 * The plugins of a custom resource as the Admin API has them, Secrets merged in and checked. undefined if one is bad: a
 * route is not published without the plugin its owner asked for.
 */
export function pluginsOf(
  context: TranslationContext,
  translation: Translation,
  namespace: string,
  list: readonly ApisixPlugin[],
  field: string,
): Plugins | undefined {
  const plugins: Plugins = {}
  let good = true
  for (const [index, plugin] of list.entries()) {
    if (!plugin.enable) continue
    let conf: JsonObject = structuredClone(plugin.config) as JsonObject
    if (plugin.secretRef !== '') {
      const key = keyFrom(namespace, plugin.secretRef)
      translation.uses.add(`Secret ${key}`)
      const secret = context.store.get('Secret', key)
      if (secret === undefined) {
        translation.problem(`${field}[${index}].secretRef`, `Secret ${key} does not exist`)
        good = false
        continue
      }
      for (const [path, value] of Object.entries(secret.data)) {
        conf = setAt(conf, path.split('.'), value.toString('utf8')) ?? conf
      }
    }
    const fault = checkPlugins({ [plugin.name]: conf }, context.registry, { forConsumer: false })
    if (fault !== undefined) {
      translation.problem(`${field}[${index}]`, fault)
      good = false
    } else plugins[plugin.name] = conf
  }
  return good ? plugins : undefined
}

/** The id of the plugin configuration an ApisixPluginConfig stands for. Without it routes are answered with 503. */
export function sharedPlugins(
  store: Store,
  translation: Translation,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  field: string,
): string {
  const key = keyFrom(namespace, name)
  translation.uses.add(`ApisixPluginConfig ${key}`)
  if (store.get('ApisixPluginConfig', key) === undefined)
    translation.problem(field, `ApisixPluginConfig ${key} does not exist`)
  return idOf(`${namespace}_${name}`)
}

import type { ApisixConsumer, ApisixGlobalRule, ApisixPluginConfig } from '#watch'
import { keyFrom } from '#watch'
import type { JsonObject, Plugins } from '../objects/index.ts'
import { checkPlugins } from '../plugins/index.ts'
import { resourceIsOurs } from './classes.ts'
import { consumerName, DESCRIPTION, idOf, MANAGED_BY } from './names.ts'
import { pluginsOf, type TranslationContext } from './plugin-settings.ts'
import { Translation } from './translation.ts'

/** ApisixPluginConfig and ApisixGlobalRule -> an object of the same plugins. */
export function translatePlugins(
  context: TranslationContext,
  object: ApisixPluginConfig | ApisixGlobalRule,
): Translation {
  const { namespace, name } = object.metadata
  const translation = new Translation(`${object.kind} ${namespace}/${name}`)
  if (!resourceIsOurs(context.store, object.spec.ingressClassName, context.ingressClass)) return translation
  const full = `${namespace}_${name}`
  const isConfig = object.kind === 'ApisixPluginConfig'
  const plugins = pluginsOf(context, translation, namespace, object.spec.plugins, 'spec.plugins')
  if (plugins === undefined) {
    translation.failed.add(`${isConfig ? 'plugin_configs' : 'global_rules'}/${idOf(full)}`)
    return translation
  }
  const made = { id: idOf(full), name: full, desc: DESCRIPTION, labels: MANAGED_BY, plugins }
  if (isConfig) translation.pluginConfigs.push(made)
  else translation.globalRules.push(made)
  return translation
}

const AUTH_PLUGINS: Readonly<Record<string, { plugin: string; fields: readonly string[] }>> = {
  keyAuth: { plugin: 'key-auth', fields: ['key'] },
  basicAuth: { plugin: 'basic-auth', fields: ['username', 'password'] },
  jwtAuth: {
    plugin: 'jwt-auth',
    fields: ['key', 'secret', 'public_key', 'algorithm', 'exp', 'base64_secret', 'lifetime_grace_period'],
  },
  ldapAuth: { plugin: 'ldap-auth', fields: ['user_dn'] },
  wolfRBAC: { plugin: 'wolf-rbac', fields: ['server', 'appid', 'header_prefix'] },
  hmacAuth: { plugin: 'hmac-auth', fields: ['access_key', 'key_id', 'secret_key'] },
}

/** Secrets hold text only; the older CRD calls hmac-auth's key `access_key`. */
function normalized(plugin: string, conf: JsonObject): JsonObject {
  const made = { ...conf }
  for (const field of ['exp', 'lifetime_grace_period'])
    if (typeof made[field] === 'string') made[field] = Number(made[field])
  if (typeof made.base64_secret === 'string') made.base64_secret = made.base64_secret === 'true'
  if (plugin === 'hmac-auth' && made.access_key !== undefined) {
    made.key_id ??= made.access_key
    delete made.access_key
  }
  return made
}

/** ApisixConsumer -> a consumer with its credentials. */
export function translateConsumer(context: TranslationContext, object: ApisixConsumer): Translation {
  const { namespace, name } = object.metadata
  const translation = new Translation(`ApisixConsumer ${namespace}/${name}`)
  if (!resourceIsOurs(context.store, object.spec.ingressClassName, context.ingressClass)) return translation
  const username = consumerName(namespace, name)
  const plugins = pluginsOf(context, translation, namespace, object.spec.plugins, 'spec.plugins')
  const credentials: Plugins = {}
  let good = plugins !== undefined
  for (const parameter of object.spec.authParameters) {
    const field = `spec.authParameter.${parameter.kind}`
    const known = AUTH_PLUGINS[parameter.kind]
    if (known === undefined) {
      translation.problem(field, 'is not available yet')
      good = false
      continue
    }
    let conf: JsonObject = { ...parameter.value }
    if (parameter.secretRef !== '') {
      const key = keyFrom(namespace, parameter.secretRef)
      translation.uses.add(`Secret ${key}`)
      const secret = context.store.get('Secret', key)
      for (const part of known.fields) {
        const value = secret?.data[part]
        if (value !== undefined) conf[part] = value.toString('utf8')
      }
      if (secret === undefined) translation.problem(`${field}.secretRef`, `Secret ${key} does not exist`)
    }
    conf = normalized(known.plugin, conf)
    const fault = checkPlugins({ [known.plugin]: conf }, context.registry, { forConsumer: true })
    if (fault !== undefined) {
      translation.problem(field, fault)
      good = false
    } else credentials[known.plugin] = conf
  }
  if (good) {
    translation.consumers.push({
      username,
      desc: DESCRIPTION,
      labels: MANAGED_BY,
      plugins: { ...plugins, ...credentials },
    })
  } else translation.failed.add(`consumers/${username}`)
  return translation
}

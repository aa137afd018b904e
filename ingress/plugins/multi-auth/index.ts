import { isObject } from '../../objects/index.ts'
import { basicAuth } from '../basic-auth/index.ts'
import { checkPlugins } from '../compile.ts'
import { hmacAuth } from '../hmac-auth/index.ts'
import { jwtAuth } from '../jwt-auth/index.ts'
import { keyAuth } from '../key-auth/index.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

const METHODS = new Map([basicAuth, hmacAuth, jwtAuth, keyAuth].map((plugin) => [plugin.name, plugin]))

/** Lets a client in by any of several authentication plugins. */
export const multiAuth: Plugin = {
  name: 'multi-auth',
  priority: 2600,
  schema: {
    type: 'object',
    properties: {
      auth_plugins: {
        type: 'array',
        minItems: 2,
        items: { type: 'object', minProperties: 1, maxProperties: 1 },
      },
    },
    required: ['auth_plugins'],
  },
  check(conf) {
    for (const entry of conf.auth_plugins as unknown[]) {
      const [name = ''] = Object.keys(entry as object)
      if (!METHODS.has(name)) return `${name} plugin is not supported`
      const conf = (entry as Record<string, unknown>)[name]
      if (!isObject(conf))
        return `plugin ${name} check schema failed: wrong type: expected object, got ${typeof conf}`
      const fault = checkPlugins(entry, METHODS, { forConsumer: false })
      if (fault !== undefined)
        return fault.replace(
          /^failed to check the configuration of plugin (\S+) err:/,
          'plugin $1 check schema failed:',
        )
    }
    return undefined
  },
  compile(conf, environment) {
    const methods = (conf.auth_plugins as Record<string, unknown>[]).flatMap((entry) => {
      const [[name, own] = []] = Object.entries(entry)
      const plugin = METHODS.get(name ?? '')
      return plugin === undefined || !isObject(own) ? [] : [plugin.compile(own, environment)]
    })
    return {
      async rewrite(context): Promise<PluginAnswer | undefined> {
        for (const method of methods) {
          const answer = await method.rewrite?.(context)
          if (answer === undefined && context.consumer !== undefined) return undefined
        }
        return { status: 401, body: { message: 'Authorization Failed' } }
      },
    }
  },
}

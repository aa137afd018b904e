import type { RequestContext } from '../../dataplane/context.ts'
import type { MessageHeaders, Response } from '../../http/index.ts'
import type { JsonObject } from '../../objects/index.ts'
import type { Plugin, PluginAnswer, PluginEnvironment, PluginInstance } from '../plugin.ts'
import type { ExternalFields, ExternalPlugin, ExternalRequest } from './api.ts'
import { ExternalModules } from './modules.ts'

const BODY_LIMIT = 1024 * 1024

/** Modules by directory: one set for all three plugins and all routes. */
const directories = new Map<string, ExternalModules>()

function modulesOf({ attributes, log }: PluginEnvironment): ExternalModules | undefined {
  const { directory } = attributes
  if (typeof directory !== 'string') return undefined
  let modules = directories.get(directory)
  if (modules === undefined) {
    modules = new ExternalModules(directory, log)
    directories.set(directory, modules)
  }
  return modules
}

function fieldsOf(headers: MessageHeaders): ExternalFields {
  return {
    get: (name) => headers.get(name),
    set: (name, value) => headers.set(name, String(value)),
    remove: (name) => headers.remove(name),
    entries: () => headers.entries(),
  }
}

function requestOf(context: RequestContext): ExternalRequest {
  return {
    method: context.method,
    path: context.path,
    query: context.query,
    host: context.host,
    remoteAddress: context.remoteAddr,
    consumer: context.consumer?.username,
    routeId: context.route?.id,
    headers: fieldsOf(context.exchange.headers),
    variable: (name) => context.variables(name),
    body: (limit = BODY_LIMIT) => context.exchange.collectBody(limit),
    rewrite(target) {
      if (!/^\/[^\x00-\x20\x7f#]*$/.test(target))
        throw new Error(`${JSON.stringify(target)} is no path with query`)
      context.upstreamTarget = target
    },
  }
}

interface Called {
  readonly name: string
  readonly value: unknown
}

type Where = 'request' | 'response'

function compile(where: Where, conf: JsonObject, environment: PluginEnvironment): PluginInstance {
  const calls = (conf.conf ?? []) as readonly Called[]
  const degrade = conf.allow_degradation === true
  const modules = modulesOf(environment)
  const fault = (name: string, error: unknown): PluginAnswer | undefined => {
    environment.log.error({ plugin: name, object: environment.owner, err: error }, 'external plugin failed')
    return degrade ? undefined : { status: 503 }
  }
  const find = (name: string): ExternalPlugin => {
    const found = modules?.get(name)
    if (found !== undefined) return found
    throw new Error(
      modules === undefined
        ? 'plugin_attr.ext-plugin.directory is not set in config.yaml'
        : `there is no external plugin ${name}`,
    )
  }
  if (where === 'response') {
    return {
      headerFilter(context: RequestContext, response: Response) {
        for (const { name, value } of calls) {
          try {
            const view = { status: response.status, headers: fieldsOf(response.headers) }
            find(name).response?.(view, requestOf(context), value)
            response.status = view.status
          } catch (error) {
            fault(name, error)
          }
        }
      },
    }
  }
  return {
    async access(context: RequestContext) {
      await modules?.ready
      for (const { name, value } of calls) {
        try {
          const answer = await find(name).request?.(requestOf(context), value)
          if (answer !== undefined && answer !== null) return answer
        } catch (error) {
          const failed = fault(name, error)
          if (failed !== undefined) return failed
        }
      }
      return undefined
    },
  }
}

const SCHEMA = {
  type: 'object',
  properties: {
    conf: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        properties: { name: { type: 'string', minLength: 1, maxLength: 128 }, value: {} },
        required: ['name', 'value'],
      },
    },
    allow_degradation: { type: 'boolean', default: false },
  },
  required: ['conf'],
} as const

/** Runs external plugins before everything else. */
export const extPluginPreReq: Plugin = {
  name: 'ext-plugin-pre-req',
  priority: 12_000,
  schema: SCHEMA,
  attributesOf: 'ext-plugin',
  compile(conf, environment) {
    const { access } = compile('request', conf, environment)
    return access === undefined ? {} : { rewrite: access }
  },
}

/** Runs external plugins just before the request goes upstream. */
export const extPluginPostReq: Plugin = {
  name: 'ext-plugin-post-req',
  priority: -3000,
  schema: SCHEMA,
  attributesOf: 'ext-plugin',
  compile: (conf, environment) => compile('request', conf, environment),
}

/** Runs external plugins on the head of the response. */
export const extPluginPostResp: Plugin = {
  name: 'ext-plugin-post-resp',
  priority: -4000,
  schema: SCHEMA,
  attributesOf: 'ext-plugin',
  compile: (conf, environment) => compile('response', conf, environment),
}

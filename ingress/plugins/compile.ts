import type { RequestContext } from '../dataplane/context.ts'
import type { FieldTable, Response } from '../http/index.ts'
import { isObject, type JsonObject, type Plugins, type Schema, validate } from '../objects/index.ts'
import { compileExpression, type Expression } from '../route/index.ts'
import type { Handler, Plugin, PluginEnvironment } from './plugin.ts'
import { checkReferences, resolveReferences } from './references.ts'

export interface Step<F> {
  readonly plugin: string
  readonly run: F
  readonly filter: Expression | undefined
  readonly errorResponse: string | JsonObject | undefined
  /** Body filters only: whether it wants this answer. */
  readonly wants?: ((context: RequestContext) => boolean) | undefined
}

/** The plugins of one object, one flat array per phase in the order they run. */
export interface Chain {
  readonly rewrite: readonly Step<Handler>[]
  readonly access: readonly Step<Handler>[]
  readonly beforeProxy: readonly Step<Handler>[]
  readonly headerFilter: readonly Step<(context: RequestContext, response: Response) => void>[]
  readonly bodyFilter: readonly Step<
    (
      context: RequestContext,
      chunk: Buffer | undefined,
      state: { readonly last: boolean; readonly trailers?: FieldTable | undefined },
    ) => Buffer | undefined
  >[]
  readonly log: readonly Step<(context: RequestContext) => void>[]
}

export const EMPTY_CHAIN: Chain = {
  rewrite: [],
  access: [],
  beforeProxy: [],
  headerFilter: [],
  bodyFilter: [],
  log: [],
}

/** `_meta` of a plugin's configuration. */
export const META: Schema = {
  type: 'object',
  properties: {
    disable: { type: 'boolean' },
    priority: { type: 'integer' },
    filter: { type: 'array' },
    error_response: { oneOf: [{ type: 'string' }, { type: 'object' }] },
    pre_function: { type: 'string' },
  },
  additionalProperties: false,
}

/** The first fault of a `plugins` object in APISIX's words; fills in defaults. */
export function checkPlugins(
  plugins: unknown,
  registry: ReadonlyMap<string, Plugin>,
  options: { readonly forConsumer: boolean },
): string | undefined {
  if (!isObject(plugins)) return 'invalid plugins'
  for (const [name, conf] of Object.entries(plugins)) {
    const plugin = registry.get(name)
    if (plugin === undefined) return `unknown plugin [${name}]`
    if (!isObject(conf)) return `invalid plugin conf ${JSON.stringify(conf)} for plugin [${name}]`
    const meta: JsonObject = isObject(conf._meta) ? conf._meta : {}
    const fault = checkPlugin(plugin, conf, options)
    // One that is switched off never runs, whatever it says.
    if (fault !== undefined && meta.disable !== true)
      return `failed to check the configuration of plugin ${name} err: ${fault}`
    const unusable = checkMeta(name, meta)
    if (unusable !== undefined) return unusable
  }
  return undefined
}

/** What the schema of `_meta` does not say. */
function checkMeta(name: string, { filter, pre_function }: JsonObject): string | undefined {
  if (pre_function !== undefined)
    return `failed to load _meta.pre_function in plugin ${name}: Lua functions are not available`
  return checkFilter(filter)
}

function checkPlugin(
  plugin: Plugin,
  conf: JsonObject,
  options: { readonly forConsumer: boolean },
): string | undefined {
  const meta = conf._meta
  if (meta !== undefined) {
    const fault = validate(META, meta)
    if (fault !== undefined) return `property "_meta" validation failed: ${fault}`
  }
  delete conf._meta
  try {
    const consumer = options.forConsumer ? plugin.consumerSchema : undefined
    return (
      checkReferences(conf) ??
      validate(consumer ?? plugin.schema, conf) ??
      (consumer === undefined ? plugin.check?.(conf) : plugin.consumerCheck?.(conf))
    )
  } finally {
    if (meta !== undefined) conf._meta = meta
  }
}

function checkFilter(filter: unknown): string | undefined {
  if (!Array.isArray(filter)) return undefined
  try {
    compileExpression(filter)
    return undefined
  } catch (error) {
    return `failed to validate the 'vars' expression: ${error instanceof Error ? error.message : String(error)}`
  }
}

/**
 * Compiles the plugins of an object. The configurations must have passed `checkPlugins`. Throws for a plugin that the
 * registry does not have, as in an object stored before it was switched off: nothing is silently left out.
 */
export function compileChain(
  plugins: Plugins,
  registry: ReadonlyMap<string, Plugin>,
  environmentOf: (plugin: string) => PluginEnvironment,
): Chain {
  const chosen = Object.entries(plugins).flatMap(([name, conf]) => {
    const plugin = registry.get(name)
    if (plugin === undefined) throw new Error(`plugin ${name} is not switched on`)
    const meta = isObject(conf._meta) ? conf._meta : {}
    if (meta.disable === true) return []
    const priority = typeof meta.priority === 'number' ? meta.priority : plugin.priority
    return [{ plugin, conf, meta, priority }]
  })
  if (chosen.length === 0) return EMPTY_CHAIN
  chosen.sort((a, b) => b.priority - a.priority)
  const chain = { rewrite: [], access: [], beforeProxy: [], headerFilter: [], bodyFilter: [], log: [] } as {
    -readonly [P in keyof Chain]: Chain[P][number][]
  }
  for (const { plugin, conf, meta } of chosen) {
    const { _meta, ...own } = conf
    const environment = environmentOf(plugin.name)
    const instance = plugin.compile(resolveReferences(own, environment.secret), environment)
    const filter = Array.isArray(meta.filter) ? compileExpression(meta.filter) : undefined
    const errorResponse = meta.error_response as string | JsonObject | undefined
    const common = { plugin: plugin.name, filter, errorResponse }
    if (instance.rewrite) chain.rewrite.push({ ...common, run: instance.rewrite })
    if (instance.access) chain.access.push({ ...common, run: instance.access })
    if (instance.beforeProxy) chain.beforeProxy.push({ ...common, run: instance.beforeProxy })
    if (instance.headerFilter) chain.headerFilter.push({ ...common, run: instance.headerFilter })
    if (instance.bodyFilter)
      chain.bodyFilter.push({ ...common, run: instance.bodyFilter, wants: instance.filtersBody })
    if (instance.log) chain.log.push({ ...common, run: instance.log })
  }
  return chain
}

import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { RequestContext } from '../dataplane/context.ts'
import type { FieldTable, Response } from '../http/index.ts'
import type { JsonObject, Schema, Upstream } from '../objects/index.ts'
import type { Expression } from '../route/index.ts'
import type { SharedRecords } from '../sharing/index.ts'
import type { UpstreamSurroundings } from '../upstream/index.ts'
import type { AuthIndex } from './consumers.ts'

/** An answer that ends the request. An object body becomes JSON, no body the stock page of the status. */
export interface PluginAnswer {
  readonly status: number
  readonly body?: string | Buffer | JsonObject | undefined
  /** A list stands for several fields of one name. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined
}

export type PluginResult = PluginAnswer | undefined
export type Handler = (context: RequestContext) => PluginResult | Promise<PluginResult>

/**
 * One configuration of a plugin, compiled. Only the phases it has are there; they run in the order rewrite, access,
 * beforeProxy, headerFilter, bodyFilter, log.
 */
export interface PluginInstance {
  rewrite?: Handler
  access?: Handler
  /** An upstream server is about to be chosen. */
  beforeProxy?: Handler
  headerFilter?: (context: RequestContext, response: Response) => void
  /** Called with each piece of the response and at last with undefined; what it returns is sent instead. */
  bodyFilter?: (
    context: RequestContext,
    chunk: Buffer | undefined,
    state: { readonly last: boolean; readonly trailers?: FieldTable | undefined },
  ) => Buffer | undefined
  /** Whether this answer's body is to be filtered; asked after headerFilter. Absent: always. */
  filtersBody?: (context: RequestContext) => boolean
  log?: (context: RequestContext) => void
}

/** State under the name of its owner: ended when that object goes. */
export interface OwnedState {
  close(): void
}

/** What a plugin gets from the gateway when one of its configurations is compiled. */
export interface PluginEnvironment {
  /** The object that carries the configuration, such as `routes/1`; counters are kept under it. */
  readonly owner: string
  readonly log: Logger
  readonly metrics: Registry
  /** The metrics of all processes as text, in Prometheus' format. */
  readonly exposition: () => Promise<string>
  readonly auth: AuthIndex
  /** `plugin_attr.<name>` of config.yaml. */
  readonly attributes: JsonObject
  /** The plugin's plugin_metadata object. */
  readonly metadata: () => JsonObject
  /** Counters that all processes of the gateway have in common. */
  readonly shared: SharedRecords
  /** How many processes serve: what is kept in each may have that part of what it may have in all. */
  readonly processes: number
  /** State of this process that outlives recompilation: one map per plugin. An OwnedState is kept under `owner`. */
  readonly state: Map<string, unknown>
  /** The value of a `$secret://` reference. Throws UnresolvedReference while it is not there. */
  readonly secret: (reference: string) => string
  /** What an upstream needs that the plugin makes from its configuration; the name tells it from others. */
  readonly surroundings: (name: string) => UpstreamSurroundings
  /** The content of the `protos` object of an id. */
  readonly proto: (id: string) => string | undefined
  /** The upstream object of an id, for plugins that choose one. */
  readonly upstream: (id: string) => Upstream | undefined
}

/** A plugin. `schema` fills in defaults before `compile` sees the configuration. */
export interface Plugin {
  readonly name: string
  /** Higher runs earlier within a phase. */
  readonly priority: number
  readonly schema: Schema
  /** Schema of its configuration on a consumer; makes it an authentication plugin. */
  readonly consumerSchema?: Schema
  readonly metadataSchema?: Schema
  /** Checks beyond the schema: a sentence, or undefined. `attributes` are plugin_attr's. */
  readonly check?: (conf: JsonObject, attributes?: JsonObject) => string | undefined
  /** As `check`, for its configuration on a consumer. */
  readonly consumerCheck?: (conf: JsonObject) => string | undefined
  /** The key under which a consumer of this configuration is found. */
  readonly consumerKey?: (conf: JsonObject) => string
  /** Properties that hold secrets, as dotted paths: encrypted where objects are kept, hidden where they are shown. */
  readonly encryptFields?: readonly string[]
  /** The name under plugin_attr it is configured by, if that is not its own. */
  readonly attributesOf?: string
  readonly consumerEncryptFields?: readonly string[]
  readonly compile: (conf: JsonObject, environment: PluginEnvironment) => PluginInstance
}

/** `_meta` of any plugin configuration. */
export interface PluginMeta {
  readonly disable?: boolean | undefined
  readonly priority?: number | undefined
  readonly filter?: Expression | undefined
  readonly errorResponse?: string | JsonObject | undefined
}

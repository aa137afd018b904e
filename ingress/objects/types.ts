import type { JsonObject } from './validator.ts'

/** The objects of the Admin API. Kubernetes objects are translated into the same ones: the data plane knows no others. */
export const KINDS = [
  'routes',
  'services',
  'upstreams',
  'consumers',
  'credentials',
  'consumer_groups',
  'plugin_configs',
  'global_rules',
  'plugin_metadata',
  'ssls',
  'stream_routes',
  'protos',
  'secrets',
] as const
export type Kind = (typeof KINDS)[number]

export type Plugins = { [name: string]: JsonObject }

export interface Timeout {
  readonly connect: number
  readonly send: number
  readonly read: number
}

export interface UpstreamNode {
  readonly host: string
  readonly port?: number | undefined
  readonly weight: number
  readonly priority?: number | undefined
}

/** An element of `vars`, see route/expression.ts. */
export type Vars = readonly unknown[]

export interface Upstream {
  readonly id?: string | number | undefined
  readonly name?: string | undefined
  readonly desc?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly type?: 'roundrobin' | 'chash' | 'least_conn' | 'ewma' | undefined
  readonly nodes?: readonly UpstreamNode[] | Readonly<Record<string, number>> | undefined
  readonly hash_on?: string | undefined
  readonly key?: string | undefined
  readonly scheme?: string | undefined
  readonly pass_host?: 'pass' | 'node' | 'rewrite' | undefined
  readonly upstream_host?: string | undefined
  readonly retries?: number | undefined
  readonly retry_timeout?: number | undefined
  /** Ours: seconds over which a server that joins gets up to its share. */
  readonly slow_start?: number | undefined
  readonly service_name?: string | undefined
  readonly discovery_type?: string | undefined
  readonly timeout?: Timeout | undefined
  readonly tls?:
    | {
        readonly client_cert?: string
        readonly client_key?: string
        /** An `ssls` object of type client. */
        readonly client_cert_id?: string | number
        readonly verify?: boolean
      }
    | undefined
  readonly checks?: JsonObject | undefined
  readonly keepalive_pool?:
    | { readonly size?: number; readonly idle_timeout?: number; readonly requests?: number }
    | undefined
}

interface Common {
  readonly id: string | number
  readonly name?: string | undefined
  readonly desc?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly plugins?: Plugins | undefined
}

export interface Service extends Common {
  readonly hosts?: readonly string[] | undefined
  readonly upstream?: Upstream | undefined
  readonly upstream_id?: string | number | undefined
  readonly enable_websocket?: boolean | undefined
}

export interface Route extends Common {
  readonly uri?: string | undefined
  readonly uris?: readonly string[] | undefined
  readonly host?: string | undefined
  readonly hosts?: readonly string[] | undefined
  readonly remote_addr?: string | undefined
  readonly remote_addrs?: readonly string[] | undefined
  readonly methods?: readonly string[] | undefined
  readonly priority?: number | undefined
  readonly vars?: Vars | undefined
  readonly status?: 0 | 1 | undefined
  readonly timeout?: Timeout | undefined
  readonly enable_websocket?: boolean | undefined
  readonly upstream?: Upstream | undefined
  readonly upstream_id?: string | number | undefined
  readonly service_id?: string | number | undefined
  readonly plugin_config_id?: string | number | undefined
}

export interface Consumer {
  readonly username: string
  readonly desc?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly plugins?: Plugins | undefined
  readonly group_id?: string | number | undefined
}

/** A further credential of a consumer; its id in the catalogue is `<username>/credentials/<id>`. */
export interface Credential extends Common {}
/** Plugins that several consumers share. */
export interface ConsumerGroup extends Common {}

/** A route of the TCP and UDP proxy. */
export interface StreamRoute extends Common {
  readonly remote_addr?: string | undefined
  readonly server_addr?: string | undefined
  readonly server_port?: number | undefined
  readonly sni?: string | undefined
  readonly upstream?: Upstream | undefined
  readonly upstream_id?: string | number | undefined
  readonly service_id?: string | number | undefined
}

/** A protobuf definition for grpc-transcode. */
export interface Proto extends Common {
  readonly content: string
}

/** A certificate for server names, with what it demands of clients. */
export interface Ssl {
  readonly id: string | number
  readonly type?: 'server' | 'client' | undefined
  readonly sni?: string | undefined
  readonly snis?: readonly string[] | undefined
  readonly cert: string
  readonly key: string
  /** Further pairs, for another type of key. */
  readonly certs?: readonly string[] | undefined
  readonly keys?: readonly string[] | undefined
  readonly client?:
    | {
        readonly ca: string
        readonly depth?: number
        readonly skip_mtls_uri_regex?: readonly string[]
      }
    | undefined
  readonly ssl_protocols?: readonly string[] | undefined
  readonly status?: 0 | 1 | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
}

export interface PluginConfig extends Common {}
export interface GlobalRule extends Common {}

export interface ObjectOf {
  routes: Route
  services: Service
  upstreams: Upstream
  consumers: Consumer
  credentials: Credential
  consumer_groups: ConsumerGroup
  plugin_configs: PluginConfig
  global_rules: GlobalRule
  plugin_metadata: JsonObject
  ssls: Ssl
  stream_routes: StreamRoute
  protos: Proto
  /** Where secrets are fetched from; the id is `<vault|aws|gcp>/<id>`. */
  secrets: JsonObject
}

/** One object came, changed (value) or went (undefined). What the data plane is fed with. */
export type ObjectChange = {
  [K in Kind]: { readonly kind: K; readonly id: string; readonly value: ObjectOf[K] | undefined }
}[Kind]

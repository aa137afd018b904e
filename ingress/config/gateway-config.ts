import type { TransportChoice } from '../http/choose-network.ts'
import type { ServerSettings } from '../http/settings.ts'
import type { RouterMode, UriRules } from '../route/index.ts'
import type { DnsDiscoverySettings } from '../upstream/index.ts'
import type { RealIpConfig } from './real-ip.ts'

export interface ListenAddress {
  readonly host: string
  readonly port: number
  /** Connections begin with a PROXY protocol header, which names the client. */
  readonly proxyProtocol?: boolean | undefined
}

export interface PlainListenAddress extends ListenAddress {
  /** Take HTTP/2 from clients that begin with it, beside HTTP/1.1. */
  readonly http2?: boolean | undefined
}

export interface TlsListenAddress extends ListenAddress {
  /** Offer HTTP/2 beside HTTP/1.1. */
  readonly http2: boolean
}

/** A TCP port of the stream proxy. */
export interface StreamListenAddress extends ListenAddress {
  readonly tls: boolean
}

export interface StreamConfig {
  readonly tcp: readonly StreamListenAddress[]
  readonly udp: readonly ListenAddress[]
  /** Version of the PROXY protocol header servers get. */
  readonly proxyProtocolOut: 1 | 2 | undefined
}

export interface AdminKey {
  readonly name: string
  readonly key: string
  readonly role: 'admin' | 'viewer'
}

export interface AdminConfig {
  readonly listen: ListenAddress
  /** Empty: one is generated and kept in `dataDirectory`, unless `keyRequired` is off. */
  readonly keys: readonly AdminKey[]
  readonly keyRequired: boolean
  readonly allow: readonly string[]
  readonly cors: boolean
}

/** An etcd that keeps the Admin API's objects. */
export interface EtcdConfig {
  readonly hosts: readonly string[]
  readonly prefix: string
  readonly timeoutMs: number
  readonly user: string | undefined
  readonly password: string | undefined
  readonly tls: {
    readonly cert: string | undefined
    readonly key: string | undefined
    readonly verify: boolean
    readonly sni: string | undefined
  }
}

/** What TLS towards clients is like where `ssls` objects do not say. */
export interface TlsConfig {
  /** Of TLSv1.1, TLSv1.2 and TLSv1.3. */
  readonly protocols: readonly string[]
  readonly ciphers: string | undefined
  /** Clients may resume sessions by tickets. */
  readonly sessionTickets: boolean
}

/** What config.yaml says, checked, with defaults filled in. */
export interface GatewayConfig {
  readonly listen: readonly PlainListenAddress[]
  /** Ports that speak TLS; their certificates are `ssls` objects. */
  readonly tlsListen: readonly TlsListenAddress[]
  readonly tls: TlsConfig
  readonly stream: StreamConfig
  /** The name whose certificate clients get that ask for none. */
  readonly fallbackSni: string | undefined
  /** Ports may be shared with other gateways on the machine: nobody checks whether they are free. */
  readonly reusePort: boolean
  /** Processes that serve, this one included. */
  readonly workers: number
  readonly transport: TransportChoice
  readonly router: RouterMode
  /** undefined: paths are taken as they are. */
  readonly uriRules: UriRules | undefined
  readonly server: ServerSettings
  readonly showUpstreamStatus: boolean
  readonly trustedAddresses: readonly string[]
  /** undefined: the client is whoever is connected. */
  readonly realIp: RealIpConfig | undefined
  /** undefined: the Admin API is off. */
  readonly admin: AdminConfig | undefined
  /** Where the control API listens; undefined: it is off. */
  readonly control: ListenAddress | undefined
  /** undefined: objects are kept by the gateway itself. */
  readonly etcd: EtcdConfig | undefined
  /** A file with all objects (standalone mode); there is nothing to write then. */
  readonly objectsFile: string | undefined
  /** All objects are one document, put as a whole to the Admin API (API-driven standalone mode). */
  readonly configsApi: boolean
  /** Words that encrypt secrets where objects are kept; empty: they are not encrypted. */
  readonly keyring: readonly string[]
  /** Where Admin API objects and the generated key are kept; undefined: in memory only. */
  readonly dataDirectory: string | undefined
  readonly discovery: DnsDiscoverySettings
  /** Whether `checks` of upstreams are made. */
  readonly healthChecks: boolean
  /** Bodies beyond this are not read for variables, in bytes. */
  readonly readableBody: number
  /** Names in `plugins`; undefined: all. */
  readonly plugins: readonly string[] | undefined
  readonly pluginAttributes: Readonly<Record<string, unknown>>
  /** Path of the access log, undefined: none. */
  readonly accessLog: string | undefined
  /** nginx's log_format; undefined: JSON. */
  readonly accessLogFormat:
    | { readonly text: string; readonly escape: 'default' | 'json' | 'none' }
    | undefined
  readonly ingressClass: string
  /** Time running requests get on stop, in ms. */
  readonly shutdownTimeout: number
  /** Keys of the file that mean nothing here, as dotted names. */
  readonly ignored: readonly string[]
}

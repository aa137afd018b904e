import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { parseDocument } from 'yaml'
import { GatewayConfigError } from '../errors.ts'
import { DEFAULT_SERVER_SETTINGS } from '../http/settings.ts'
import { isObject, type JsonObject } from '../objects/index.ts'
import { AddressSet, type UriRules } from '../route/index.ts'
import { dnsDiscovery } from './discovery.ts'
import { withEnvironment } from './environment-text.ts'
import type {
  AdminConfig,
  AdminKey,
  GatewayConfig,
  ListenAddress,
  PlainListenAddress,
  StreamConfig,
  TlsListenAddress,
} from './gateway-config.ts'
import { realIp } from './real-ip.ts'
import { Section } from './section.ts'
import { etcd, keyring, standalone } from './stores.ts'
import { tlsConfig } from './tls-config.ts'

/**
 * Reads a config.yaml with APISIX's keys; without a file, the defaults. Throws GatewayConfigError naming file and field.
 * Keys without a meaning here are listed in `ignored`, for the caller to warn about.
 */
export function loadGatewayConfig(file?: string | undefined): GatewayConfig {
  return parseGatewayConfig(file === undefined ? '' : read(file), file ?? 'built-in defaults')
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new GatewayConfigError(
      file,
      '',
      `cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    )
  }
}

/** As loadGatewayConfig, on the text; `file` is for messages. */
export function parseGatewayConfig(text: string, file: string): GatewayConfig {
  const document = parseDocument(substituted(text, file))
  const [problem] = document.errors
  if (problem !== undefined) throw new GatewayConfigError(file, '', problem.message, { cause: problem })
  const content: unknown = document.toJS() ?? {}
  if (!isObject(content)) throw new GatewayConfigError(file, '', 'must be a map of sections')
  return build(new Section(content, file, ''))
}

function substituted(text: string, file: string): string {
  try {
    return withEnvironment(text)
  } catch (cause) {
    throw new GatewayConfigError(file, '', cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

const ROUTER_MODES = ['radixtree_host_uri', 'radixtree_uri', 'radixtree_uri_with_parameter'] as const

// Within the grace a supervisor gives; a request that hangs at a dead server would use up any longer one as well.
const DEFAULT_SHUTDOWN_MS = 4000

function build(root: Section): GatewayConfig {
  const apisix = root.section('apisix')
  const deployment = root.section('deployment')
  const nginx = root.section('nginx_config').section('http')
  const nginxMain = root.section('nginx_config')
  const plexus = root.section('plexus')
  const router = apisix.section('router')
  const proxied = apisix.section('proxy_protocol')
  const mode = apisix.choice('proxy_mode', ['http', 'stream', 'http&stream'] as const) ?? 'http&stream'
  const http = [...plainListen(apisix), ...proxiedListen(proxied, 'listen_http_port')]
  const trustedAddresses = apisix.strings('trusted_addresses') ?? []
  checkAddresses(apisix, 'trusted_addresses', trustedAddresses)
  const adminEnabled = apisix.boolean('enable_admin') ?? true
  const tls = tlsListen(apisix)
  const streams = stream(apisix, proxied, plexus)
  const config: GatewayConfig = {
    listen: mode === 'stream' ? [] : http,
    tlsListen: mode === 'stream' ? [] : [...tls, ...proxiedListen(proxied, 'listen_https_port')],
    tls: tlsConfig(apisix.section('ssl')),
    stream: mode === 'http' ? { ...streams, tcp: [], udp: [] } : streams,
    fallbackSni: apisix.section('ssl').string('fallback_sni'),
    reusePort: apisix.boolean('enable_reuseport') ?? false,
    workers: workers(nginxMain),
    transport: plexus.choice('transport', ['auto', 'net', 'raw'] as const) ?? 'auto',
    router: router.choice('http', ROUTER_MODES) ?? 'radixtree_host_uri',
    uriRules: uriRules(apisix),
    server: {
      ...DEFAULT_SERVER_SETTINGS,
      serverToken: 'Plexus',
      headerTimeout: nginx.duration('client_header_timeout') ?? DEFAULT_SERVER_SETTINGS.headerTimeout,
      bodyTimeout: nginx.duration('client_body_timeout') ?? DEFAULT_SERVER_SETTINGS.bodyTimeout,
      sendTimeout: nginx.duration('send_timeout') ?? DEFAULT_SERVER_SETTINGS.sendTimeout,
      keepaliveTimeout: nginx.duration('keepalive_timeout') ?? DEFAULT_SERVER_SETTINGS.keepaliveTimeout,
      maxBodySize: nginx.size('client_max_body_size') ?? 0,
    },
    showUpstreamStatus: apisix.boolean('show_upstream_status_in_response_header') ?? false,
    trustedAddresses,
    realIp: realIp(nginx),
    admin: adminEnabled ? admin(apisix, deployment.section('admin')) : undefined,
    control: control(apisix),
    etcd: etcd(deployment.section('etcd'), root.section('etcd')),
    ...standalone(deployment, plexus),
    keyring: keyring(apisix.section('data_encryption')),
    dataDirectory: plexus.string('data_dir'),
    healthChecks: !(apisix.boolean('disable_upstream_healthcheck') ?? false),
    readableBody: readableBody(apisix),
    discovery: dnsDiscovery(root.section('discovery').section('dns')),
    plugins: root.strings('plugins'),
    pluginAttributes: {
      'proxy-cache': apisix.section('proxy_cache').all(),
      redirect: { https_port: tls[0]?.port },
      ...root.section('plugin_attr').all(),
    },
    accessLog:
      (nginx.boolean('enable_access_log') ?? true) ? accessLog(nginx.string('access_log')) : undefined,
    accessLogFormat: accessLogFormat(nginx),
    ingressClass: plexus.string('ingress_class') ?? 'apisix',
    shutdownTimeout: nginxMain.duration('worker_shutdown_timeout') ?? DEFAULT_SHUTDOWN_MS,
    ignored: [],
  }
  return { ...config, ignored: root.unread() }
}

function uriRules(apisix: Section): UriRules | undefined {
  const rules = {
    deleteTailSlash: apisix.boolean('delete_uri_tail_slash') ?? false,
    likeServlet: apisix.boolean('normalize_uri_like_servlet') ?? false,
    matchEncodedSlash: apisix.boolean('match_uri_encoded_slash') ?? false,
  }
  return Object.values(rules).some(Boolean) ? rules : undefined
}

/** Memory of one process with a few thousand routes, with room to spare. */
const PROCESS_BYTES = 256 * 1024 ** 2

/** `worker_processes`: a number, or `auto`, the default: one per core, as far as there is memory for them. */
function workers(nginx: Section): number {
  const value = nginx.raw('worker_processes') ?? 'auto'
  if (value === 'auto') {
    const memory = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem())
    return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / PROCESS_BYTES)))
  }
  if (Number.isInteger(Number(value)) && Number(value) >= 1 && Number(value) <= 256) return Number(value)
  throw nginx.error('worker_processes', `${JSON.stringify(value)} is neither a number of processes nor auto`)
}

/** `max_post_args_readable_size` in MiB; 0 is no limit. */
function readableBody(apisix: Section): number {
  const size = apisix.raw('max_post_args_readable_size') ?? 64
  if (!Number.isFinite(size) || Number(size) < 0)
    throw apisix.error('max_post_args_readable_size', 'must be a number of MiB')
  return size === 0 ? Number.MAX_SAFE_INTEGER : Number(size) * 1024 ** 2
}

/** APISIX writes an access log by default, into its own directory; here one is written when a path is given. */
function accessLog(path: string | undefined): string | undefined {
  return path === undefined || path === 'off' ? undefined : path
}

function plainListen(apisix: Section): PlainListenAddress[] {
  const fallback = { host: '0.0.0.0', port: 9080 }
  const value = apisix.raw('node_listen')
  const everywhere = apisix.boolean('enable_http2') ?? true
  const list = value === undefined ? [fallback.port] : Array.isArray(value) ? value : [value]
  return list.map((entry, index) => ({
    ...address(apisix, `node_listen[${index}]`, entry, fallback),
    http2: wantsHttp2(entry, everywhere),
  }))
}

/** `apisix.stream_proxy`: ports as numbers, `address:port`, or {addr, tls}. */
function stream(apisix: Section, proxied: Section, plexus: Section): StreamConfig {
  const section = apisix.section('stream_proxy')
  const proxyProtocol = proxied.boolean('enable_tcp_pp') ?? false
  const out = proxied.boolean('enable_tcp_pp_to_upstream') ?? false
  const version = plexus.raw('proxy_protocol_version') ?? 1
  if (version !== 1 && version !== 2) throw plexus.error('proxy_protocol_version', 'must be 1 or 2')
  const list = (field: string) => {
    const value = section.raw(field) ?? []
    if (!Array.isArray(value)) throw section.error(field, 'must be a list of ports')
    return value.map((entry: unknown, index) => {
      const at = `${field}[${index}]`
      const text = isObject(entry) ? entry.addr : entry
      const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(String(text))
      const own = parts === null ? text : { ip: parts[1] ?? parts[2], port: Number(parts[3]) }
      return {
        ...address(section, at, own, { host: '0.0.0.0', port: -1 }),
        tls: isObject(entry) && entry.tls === true,
      }
    })
  }
  section.raw('only')
  return {
    tcp: list('tcp').map((one) => ({ ...one, proxyProtocol })),
    udp: list('udp'),
    proxyProtocolOut: out ? version : undefined,
  }
}

/** Ports of `apisix.proxy_protocol`. */
function proxiedListen(section: Section, field: string): TlsListenAddress[] {
  const entry = section.raw(field)
  if (entry === undefined) return []
  const found = address(section, field, entry, { host: '0.0.0.0', port: 0 })
  return [{ ...found, http2: true, proxyProtocol: true }]
}

function wantsHttp2(entry: unknown, everywhere: boolean): boolean {
  return isObject(entry) && typeof entry.enable_http2 === 'boolean' ? entry.enable_http2 : everywhere
}

/** `apisix.ssl`: off unless its `enable` is true or ports are listed. */
function tlsListen(apisix: Section): TlsListenAddress[] {
  const ssl = apisix.section('ssl')
  const value = ssl.raw('listen') ?? ssl.raw('listen_port')
  const enabled = ssl.boolean('enable') ?? value !== undefined
  const everywhere = apisix.boolean('enable_http2') ?? true
  if (!enabled) return []
  const list = value === undefined ? [9443] : Array.isArray(value) ? value : [value]
  return list.map((entry, index) => ({
    ...address(ssl, `listen[${index}]`, entry, { host: '0.0.0.0', port: 9443 }),
    http2: wantsHttp2(entry, everywhere),
  }))
}

function address(section: Section, field: string, entry: unknown, fallback: ListenAddress): ListenAddress {
  const port = isObject(entry) ? (entry.port ?? fallback.port) : entry
  const host = isObject(entry) ? (entry.ip ?? fallback.host) : fallback.host
  if (!Number.isInteger(Number(port)) || Number(port) < 0 || Number(port) > 65535) {
    throw section.error(field, `${JSON.stringify(port)} is not a port`)
  }
  if (typeof host !== 'string') throw section.error(field, 'ip must be a string')
  return { host, port: Number(port) }
}

function admin(apisix: Section, section: Section): AdminConfig {
  // APISIX 2.x has these keys under `apisix`, 3.x under `deployment.admin`.
  const listenAt = section.raw('admin_listen') ?? apisix.raw('admin_listen')
  const fallback = { host: '127.0.0.1', port: 9180 }
  const allow = section.strings('allow_admin') ?? apisix.strings('allow_admin') ?? ['127.0.0.0/24', '::1']
  checkAddresses(section, 'allow_admin', allow)
  return {
    listen: listenAt === undefined ? fallback : address(section, 'admin_listen', listenAt, fallback),
    keys: keys(section, section.raw('admin_key') ?? apisix.raw('admin_key')),
    keyRequired: section.boolean('admin_key_required') ?? true,
    allow,
    cors: section.boolean('enable_admin_cors') ?? apisix.boolean('enable_admin_cors') ?? true,
  }
}

function keys(section: Section, value: unknown): AdminKey[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw section.error('admin_key', 'must be a list of {name, key, role}')
  return value.flatMap((entry: unknown, index) => {
    if (!isObject(entry)) throw section.error(`admin_key[${index}]`, 'must be a map {name, key, role}')
    const { name, key, role } = entry as JsonObject
    if (key === undefined || key === null || key === '') return []
    const asRole = role ?? 'admin'
    if (asRole !== 'admin' && asRole !== 'viewer') {
      throw section.error(`admin_key[${index}].role`, `${JSON.stringify(role)} is not one of admin, viewer`)
    }
    return [{ name: String(name ?? asRole), key: String(key), role: asRole }]
  })
}

function accessLogFormat(nginx: Section): GatewayConfig['accessLogFormat'] {
  const escaping = nginx.choice('access_log_format_escape', ['default', 'json', 'none'] as const) ?? 'default'
  const text = nginx.string('access_log_format')
  return text === undefined ? undefined : { text, escape: escaping }
}

/** `apisix.control.{ip,port}`; off unless `enable_control` is true or an address is given. */
function control(apisix: Section): ListenAddress | undefined {
  const section = apisix.section('control')
  const given = section.raw('port') !== undefined || section.raw('ip') !== undefined
  if (!(apisix.boolean('enable_control') ?? given)) return undefined
  return address(section, 'port', section.all(), { host: '127.0.0.1', port: 9090 })
}

function checkAddresses(section: Section, field: string, list: readonly string[]): void {
  try {
    new AddressSet(list)
  } catch (cause) {
    throw section.error(field, cause instanceof Error ? cause.message : String(cause))
  }
}

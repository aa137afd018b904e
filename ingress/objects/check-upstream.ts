import { checkPairs } from '../tls/index.ts'
import { isObject, type JsonObject, type Schema, validate } from './validator.ts'

const SCHEMES: ReadonlySet<string> = new Set(['http', 'https', 'grpc', 'grpcs', 'tcp', 'tls', 'udp'])

const HEADER_KEY: Schema = { type: 'string', pattern: '^[a-zA-Z0-9-_]+$' }
/** What `key` may be, by `hash_on`. */
const HASH_KEYS: Readonly<Record<string, Schema>> = {
  vars: {
    type: 'string',
    pattern:
      '^((uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname|mqtt_client_id)|arg_[0-9a-zA-z_-]+)$',
  },
  header: HEADER_KEY,
  cookie: HEADER_KEY,
}

/** `unchecked`: an object that is kept already; what it refers to may come later, and old spellings stay good. */
export interface CheckOptions {
  readonly references: 'checked' | 'unchecked'
}

/** What the schema of an upstream does not say: the first fault in the Admin API's words. */
export function checkUpstream(upstream: JsonObject, options: CheckOptions): string | undefined {
  if (!SCHEMES.has(String(upstream.scheme ?? 'http'))) {
    return `scheme ${String(upstream.scheme)} is not available yet`
  }
  if (upstream.nodes === undefined && upstream.discovery_type !== 'dns')
    return `discovery_type ${String(upstream.discovery_type)} is not available: give nodes, or dns`
  const { pass_host: passHost, upstream_host: host } = upstream
  if (passHost === 'rewrite' && (host === undefined || host === ''))
    return "`upstream_host` can't be empty when `pass_host` is `rewrite`"
  return checkNodes(upstream.nodes, options) ?? checkClientCertificate(upstream.tls) ?? checkHashing(upstream)
}

function checkHashing({ type, hash_on: hashOn, key }: JsonObject): string | undefined {
  if (type !== 'chash' || hashOn === 'consumer') return undefined
  if (key === undefined) return 'missing key'
  const fault = validate(HASH_KEYS[String(hashOn ?? 'vars')] ?? {}, key)
  return fault === undefined ? undefined : `invalid configuration: ${fault}`
}

const BARE_IPV6 = "invalid configuration: IPv6 address must be enclosed with '[' and ']'"

function isBareIpv6(host: string): boolean {
  return /:.*:/.test(host) && !host.startsWith('[')
}

function checkNodes(nodes: unknown, { references }: CheckOptions): string | undefined {
  if (Array.isArray(nodes)) {
    const bare = references === 'checked' && nodes.some(({ host }) => isBareIpv6(String(host)))
    return bare ? BARE_IPV6 : undefined
  }
  if (!isObject(nodes)) return undefined
  for (const address of Object.keys(nodes)) {
    const port = /^(?:\[[^\]]*\]|[^:]*):([^:]*)$/.exec(address)?.[1]
    if (port === undefined && isBareIpv6(address)) return BARE_IPV6
    if (port !== undefined && !isPort(port)) return `invalid port ${port}`
  }
  return undefined
}

function isPort(text: string): boolean {
  return /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65535
}

function checkClientCertificate(tls: unknown): string | undefined {
  if (!isObject(tls)) return undefined
  const { client_cert: cert, client_key: key } = tls
  if (typeof cert !== 'string' || typeof key !== 'string') return undefined
  return checkPairs({ id: 0, cert, key })
}

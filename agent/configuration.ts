// The node agent's configuration file (YAML or JSON). docs/configuration.md is its reference.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Ajv, type ErrorObject } from 'ajv'
import { LineCounter, parseDocument } from 'yaml'
import { ConfigurationError, messageOf } from './errors.ts'
import { type LogFormat, type LogLevel, logFormats, logLevels } from './logging.ts'

export interface AgentConfiguration {
  readonly nodeName: string
  /** Directories of Kubernetes manifests, read recursively and watched. */
  readonly manifests?: readonly string[] | undefined
  /** Or the API server of this kubeconfig. */
  readonly kubeconfig?: string | undefined
  /** Or the API server of the cluster that this process is a pod of, by its service account. */
  readonly inCluster?: boolean | undefined
  /** API servers to use instead of the configured one, tried in turn. */
  readonly apiServer?: readonly string[] | undefined
  /** File that keeps the last known state, to begin with while the API server is away. */
  readonly snapshot?: string | undefined
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
  /** `host:port` of /healthz, /readyz and /metrics. */
  readonly health?: { readonly listen: string } | undefined
  /** Unix socket that `plexus status` and `plexus get` ask. */
  readonly control: { readonly socket: string }
  readonly cni?: { readonly socket: string } | undefined
  readonly overlay?: OverlaySection | undefined
  readonly proxy?: { readonly config?: string | undefined } | undefined
  readonly dns?: DnsSection | undefined
  readonly gateway?: GatewaySection | undefined
}

export interface GatewaySection {
  readonly config?: string | undefined
  /** What Ingress objects say about where they can be reached: addresses, or the Service in front (namespace/name). */
  readonly statusAddresses?: readonly string[] | undefined
  readonly publishService?: string | undefined
}

export interface OverlaySection {
  readonly netConf: string
  readonly subnetFile: string
  readonly publicIp?: string | undefined
  readonly publicIpv6?: string | undefined
  /** Names or addresses, tried in order. */
  readonly iface?: string | readonly string[] | undefined
  readonly ifaceRegex?: readonly string[] | undefined
  readonly ifaceCanReach?: string | undefined
  readonly ipMasq?: boolean | undefined
  readonly ipMasqFullyRandom?: boolean | undefined
  readonly forwardRules?: boolean | undefined
  readonly blackholeRoute?: boolean | undefined
  readonly annotationPrefix?: string | undefined
  readonly setNodeNetworkUnavailable?: boolean | undefined
}

/** Cluster DNS; see docs/dns.md. */
export interface DnsSection {
  readonly corefile: string
  /** Processes that answer, the agent included (1). */
  readonly workers?: number | undefined
  readonly nodeLocal?: DnsNodeLocalSection | undefined
}

export interface DnsNodeLocalSection {
  readonly addresses: readonly string[]
  readonly interfaceName?: string | undefined
  readonly clusterDns?: string | undefined
  readonly healthPort?: number | undefined
  readonly keepInterface?: boolean | undefined
}

const text = { type: 'string', minLength: 1 } as const
const patterns = {
  url: '^https?://',
  listen: '^(\\[[0-9a-fA-F:]+\\]|[^:]*):[0-9]{1,5}$',
  key: '^[a-z0-9-]+/[a-z0-9.-]+$',
} as const
const patternTexts: Readonly<Record<string, string>> = {
  [patterns.url]: 'must be a URL, for example https://10.0.0.1:6443',
  [patterns.listen]: 'must be host:port, for example 127.0.0.1:9253',
  [patterns.key]: 'must be namespace/name',
}
const component = (properties: object, required: readonly string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  required,
  properties: { enabled: { type: 'boolean' }, ...properties },
})

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['nodeName'],
  properties: {
    nodeName: text,
    manifests: { type: 'array', items: text, minItems: 1 },
    kubeconfig: text,
    inCluster: { type: 'boolean' },
    apiServer: { type: 'array', items: { type: 'string', pattern: patterns.url }, minItems: 1 },
    snapshot: text,
    log: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        level: { enum: logLevels, default: 'info' },
        format: { enum: logFormats, default: 'auto' },
      },
    },
    health: {
      type: 'object',
      additionalProperties: false,
      required: ['listen'],
      properties: { listen: { type: 'string', pattern: patterns.listen } },
    },
    control: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: { socket: { ...text, default: '/run/plexus/agent.sock' } },
    },
    cni: component({ socket: { ...text, default: '/run/plexus/cni.sock' } }),
    overlay: component(
      {
        netConf: text,
        subnetFile: { ...text, default: '/run/flannel/subnet.env' },
        publicIp: text,
        publicIpv6: text,
        iface: { anyOf: [text, { type: 'array', items: text }] },
        ifaceRegex: { type: 'array', items: text },
        ifaceCanReach: text,
        ipMasq: { type: 'boolean' },
        ipMasqFullyRandom: { type: 'boolean' },
        forwardRules: { type: 'boolean' },
        blackholeRoute: { type: 'boolean' },
        annotationPrefix: text,
        setNodeNetworkUnavailable: { type: 'boolean' },
      },
      ['netConf'],
    ),
    proxy: component({ config: text }),
    dns: component(
      {
        corefile: text,
        workers: { type: 'integer', minimum: 1, maximum: 1024 },
        nodeLocal: {
          type: 'object',
          additionalProperties: false,
          required: ['addresses'],
          properties: {
            addresses: { type: 'array', items: text, minItems: 1 },
            interfaceName: text,
            clusterDns: text,
            healthPort: { type: 'integer', minimum: 1, maximum: 65535 },
            keepInterface: { type: 'boolean' },
          },
        },
      },
      ['corefile'],
    ),
    gateway: component({
      config: text,
      statusAddresses: { type: 'array', items: text, minItems: 1 },
      publishService: { type: 'string', pattern: patterns.key },
    }),
  },
}

const validate = new Ajv({ useDefaults: true, allErrors: false, strict: false }).compile<AgentConfiguration>(
  schema,
)

export const componentNames = ['cni', 'overlay', 'proxy', 'dns', 'gateway'] as const
export type ComponentName = (typeof componentNames)[number]

/**
 * Reads and validates the configuration file; relative paths in it are relative to the file.
 * @throws ConfigurationError naming file, line and field.
 */
export function loadConfiguration(file: string): AgentConfiguration {
  let source: string
  try {
    source = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ConfigurationError(`${file}: cannot be read: ${messageOf(cause)}`, { file, cause })
  }
  return parseConfiguration(file, source)
}

/** As `loadConfiguration`, from text. */
export function parseConfiguration(file: string, source: string): AgentConfiguration {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines })
  const syntax = document.errors[0]
  if (syntax !== undefined) {
    const line = lines.linePos(syntax.pos[0]).line
    throw new ConfigurationError(`${file}:${line}: not YAML: ${syntax.message.split('\n')[0]}`, {
      file,
      cause: syntax,
    })
  }
  const raw: unknown = document.toJS()
  dropDisabled(raw)
  nameNode(raw)
  if (!validate(raw)) {
    const error = validate.errors?.[0]
    const path = error === undefined ? [] : fieldPath(error)
    const offset = (document.getIn(path.slice(0, -1), true) as { range?: [number] } | undefined)?.range?.[0]
    const own = (document.getIn(path, true) as { range?: [number] } | undefined)?.range?.[0]
    const position = own ?? offset
    const line = position === undefined ? '' : `:${lines.linePos(position).line}`
    const field = path.join('.') || '(top level)'
    throw new ConfigurationError(`${file}${line}: ${field}: ${explain(error)}`, { file, field })
  }
  const sources = [raw.manifests, raw.kubeconfig, raw.inCluster === true ? true : undefined]
  if (sources.filter((source) => source !== undefined).length !== 1) {
    const message = `${file}: where the cluster is described: give one of manifests, kubeconfig and inCluster: true`
    throw new ConfigurationError(message, { file, field: 'manifests' })
  }
  return withAbsolutePaths(raw, dirname(resolve(file)))
}

/** `enabled: false` switches a component off without deleting its section. */
function dropDisabled(raw: unknown): void {
  if (typeof raw !== 'object' || raw === null) return
  const sections = raw as Record<string, unknown>
  for (const name of componentNames) {
    // `dns:` with nothing below it is null in YAML and means "with defaults".
    if (name in sections && sections[name] === null) sections[name] = {}
    const section = sections[name]
    if (typeof section === 'object' && section !== null && 'enabled' in section && section.enabled === false)
      delete sections[name]
  }
}

/** A ConfigMap is the same for all nodes: the DaemonSet gives each pod its node's name in NODE_NAME. */
function nameNode(raw: unknown): void {
  const { NODE_NAME: name } = process.env
  if (typeof raw !== 'object' || raw === null || 'nodeName' in raw || name === undefined || name === '')
    return
  Object.assign(raw, { nodeName: name })
}

function fieldPath(error: ErrorObject): string[] {
  const path = error.instancePath.split('/').slice(1)
  if (error.keyword === 'required') return [...path, String(error.params['missingProperty'])]
  if (error.keyword === 'additionalProperties') return [...path, String(error.params['additionalProperty'])]
  return path
}

function explain(error: ErrorObject | undefined): string {
  if (error === undefined) return 'invalid'
  if (error.keyword === 'required') return 'is missing'
  if (error.keyword === 'additionalProperties') return 'is not a known key (docs/configuration.md lists them)'
  if (error.keyword === 'enum')
    return `must be one of ${(error.params['allowedValues'] as string[]).join(', ')}`
  if (error.keyword === 'pattern') return patternTexts[error.params['pattern'] as string] ?? 'is malformed'
  return error.message ?? 'invalid'
}

function withAbsolutePaths(config: AgentConfiguration, base: string): AgentConfiguration {
  const at = (path: string): string => resolve(base, path)
  const { overlay, proxy, dns, gateway, cni } = config
  return {
    ...config,
    manifests: config.manifests?.map(at),
    kubeconfig: config.kubeconfig === undefined ? undefined : at(config.kubeconfig),
    snapshot: config.snapshot === undefined ? undefined : at(config.snapshot),
    control: { socket: at(config.control.socket) },
    cni: cni && { socket: at(cni.socket) },
    overlay: overlay && { ...overlay, netConf: at(overlay.netConf), subnetFile: at(overlay.subnetFile) },
    proxy: proxy && { config: proxy.config === undefined ? undefined : at(proxy.config) },
    dns: dns && { ...dns, corefile: at(dns.corefile) },
    gateway: gateway && {
      ...gateway,
      config: gateway.config === undefined ? undefined : at(gateway.config),
    },
  }
}

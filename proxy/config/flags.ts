import { ProxyConfigurationError } from '../errors.ts'
import { KUBE_PROXY_LISTENERS, type KubeProxyConfiguration } from './configuration.ts'
import { readProxyConfiguration } from './load.ts'

/** How the text of a flag becomes a field of the configuration. */
type FlagKind = 'string' | 'boolean' | 'integer' | 'list'

/** kube-proxy's flags that stand for fields of KubeProxyConfiguration (cmd/kube-proxy/app/options.go). */
const FIELDS: Readonly<Record<string, readonly [field: string, kind: FlagKind]>> = {
  'bind-address': ['bindAddress', 'string'],
  'bind-address-hard-fail': ['bindAddressHardFail', 'boolean'],
  'cluster-cidr': ['clusterCIDR', 'string'],
  'config-sync-period': ['configSyncPeriod', 'string'],
  'conntrack-max-per-core': ['conntrack.maxPerCore', 'integer'],
  'conntrack-min': ['conntrack.min', 'integer'],
  'conntrack-tcp-be-liberal': ['conntrack.tcpBeLiberal', 'boolean'],
  'conntrack-tcp-timeout-close-wait': ['conntrack.tcpCloseWaitTimeout', 'string'],
  'conntrack-tcp-timeout-established': ['conntrack.tcpEstablishedTimeout', 'string'],
  'conntrack-udp-timeout': ['conntrack.udpTimeout', 'string'],
  'conntrack-udp-timeout-stream': ['conntrack.udpStreamTimeout', 'string'],
  'detect-local-mode': ['detectLocalMode', 'string'],
  'healthz-bind-address': ['healthzBindAddress', 'string'],
  'hostname-override': ['hostnameOverride', 'string'],
  // In nftables mode kube-proxy reads its nftables section, which these flags fill as well.
  'iptables-masquerade-bit': ['nftables.masqueradeBit', 'integer'],
  'iptables-min-sync-period': ['nftables.minSyncPeriod', 'string'],
  'iptables-sync-period': ['nftables.syncPeriod', 'string'],
  'masquerade-all': ['nftables.masqueradeAll', 'boolean'],
  'metrics-bind-address': ['metricsBindAddress', 'string'],
  'nodeport-addresses': ['nodePortAddresses', 'list'],
  'pod-bridge-interface': ['detectLocal.bridgeInterface', 'string'],
  'pod-interface-name-prefix': ['detectLocal.interfaceNamePrefix', 'string'],
  profiling: ['enableProfiling', 'boolean'],
  'proxy-mode': ['mode', 'string'],
  // Ours.
  'service-proxy-name': ['serviceProxyName', 'string'],
}

/** Flags about the run itself. */
const RUN_FLAGS: Readonly<Record<string, FlagKind>> = {
  'init-only': 'boolean',
  master: 'string',
  'write-config-to': 'string',
}

/** Flags that kube-proxy has and that mean nothing here; they are accepted with a warning. */
const WITHOUT_MEANING: Readonly<Record<string, FlagKind>> = {
  'feature-gates': 'string',
  'healthz-port': 'string',
  'iptables-localhost-nodeports': 'boolean',
  'ipvs-exclude-cidrs': 'string',
  'ipvs-min-sync-period': 'string',
  'ipvs-scheduler': 'string',
  'ipvs-strict-arp': 'boolean',
  'ipvs-sync-period': 'string',
  'ipvs-tcp-timeout': 'string',
  'ipvs-tcpfin-timeout': 'string',
  'ipvs-udp-timeout': 'string',
  'kube-api-burst': 'string',
  'kube-api-content-type': 'string',
  'kube-api-qps': 'string',
  'log-flush-frequency': 'string',
  'log-json-info-buffer-size': 'string',
  'log-json-split-stream': 'boolean',
  'log-text-info-buffer-size': 'string',
  'log-text-split-stream': 'boolean',
  'logging-format': 'string',
  'metrics-port': 'string',
  'oom-score-adj': 'string',
  'platform-config': 'string',
  'proxy-port-range': 'string',
  'show-hidden-metrics-for-version': 'string',
  v: 'string',
  vmodule: 'string',
}

export const PROXY_FLAGS_HELP = `kube-proxy's flags are understood, too: ${Object.keys(FIELDS)
  .map((name) => `--${name}`)
  .join(' ')} --init-only --master --write-config-to`

export interface ProxyFlags {
  /** the configuration they make; without --config this is all of it */
  readonly config: KubeProxyConfiguration
  /** --hostname-override counts beside --config, too */
  readonly hostnameOverride: string
  readonly initOnly: boolean
  /** address of the API server, instead of the kubeconfig's */
  readonly master: string | undefined
  readonly writeConfigTo: string | undefined
  /** any flag that --config overrules was given */
  readonly overruled: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * kube-proxy's command line (`--name value`, `--name=value`, booleans alone or with `=false`; one dash will do, as in Go).
 * Pure: reads no file. Throws ProxyConfigurationError naming the flag.
 */
export function parseProxyFlags(argv: readonly string[]): ProxyFlags {
  const document: Record<string, unknown> = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
  }
  const run: Record<string, unknown> = {}
  const given: string[] = []
  const warnings: string[] = []
  for (let index = 0; index < argv.length; index++) {
    const { name, inline } = split(argv[index] ?? '')
    const [field, kind] = FIELDS[name] ?? [undefined, RUN_FLAGS[name] ?? WITHOUT_MEANING[name]]
    if (kind === undefined) throw new ProxyConfigurationError(`--${name}`, undefined, 'there is no such flag')
    const text = inline ?? (kind === 'boolean' ? 'true' : argv[++index])
    if (text === undefined) throw new ProxyConfigurationError(`--${name}`, undefined, 'needs a value')
    if (field !== undefined) {
      put(document, field.split('.'), parseValue(name, kind, text))
      if (name !== 'hostname-override') given.push(`--${name}`)
    } else if (name in RUN_FLAGS) run[name] = parseValue(name, kind, text)
    else warnings.push(`--${name}: has no meaning here and is ignored`)
  }
  const { config, warnings: more } = readProxyConfiguration(document, 'command line', KUBE_PROXY_LISTENERS)
  const { master, 'write-config-to': writeConfigTo } = run
  return {
    config,
    hostnameOverride: config.hostnameOverride,
    initOnly: run['init-only'] === true,
    master: typeof master === 'string' ? master : undefined,
    writeConfigTo: typeof writeConfigTo === 'string' ? writeConfigTo : undefined,
    overruled: given,
    warnings: [...warnings, ...more],
  }
}

function split(argument: string): { name: string; inline: string | undefined } {
  const match = /^--?([^=-][^=]*)(?:=(.*))?$/s.exec(argument)
  if (match === null)
    throw new ProxyConfigurationError('command line', undefined, `"${argument}" is not a flag`)
  return { name: (match[1] ?? '').replaceAll('_', '-'), inline: match[2] }
}

function parseValue(name: string, kind: FlagKind, text: string): unknown {
  if (kind === 'boolean') {
    if (!['true', 'false', '1', '0', 't', 'f'].includes(text.toLowerCase()))
      throw new ProxyConfigurationError(`--${name}`, undefined, `expected true or false, found "${text}"`)
    return /^[1t]/i.test(text)
  }
  if (kind === 'integer') {
    if (!/^-?\d+$/.test(text))
      throw new ProxyConfigurationError(`--${name}`, undefined, `expected an integer, found "${text}"`)
    return Number(text)
  }
  return kind === 'list' ? text.split(',').map((part) => part.trim()) : text
}

function put(document: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first = '', second] = path
  if (second === undefined) {
    document[first] = value
    return
  }
  const section = (document[first] ?? {}) as Record<string, unknown>
  document[first] = { ...section, [second]: value }
}

import { readFileSync } from 'node:fs'
import ipaddr from 'ipaddr.js'
import type { Logger } from 'pino'
import { parseDocument } from 'yaml'
import { ProxyConfigurationError } from '../errors.ts'
import type {
  ConntrackConfiguration,
  DetectLocalMode,
  KubeProxyConfiguration,
  Listeners,
} from './configuration.ts'
import { DEFAULT_CONFIGURATION } from './configuration.ts'
import { FieldReader } from './reader.ts'

const API_VERSION = 'kubeproxy.config.k8s.io/v1alpha1'
const DETECT_LOCAL_MODES: readonly DetectLocalMode[] = [
  'ClusterCIDR',
  'NodeCIDR',
  'BridgeInterface',
  'InterfaceNamePrefix',
]
const MODES = ['', 'nftables', 'iptables', 'ipvs']
/** What every kubeadm cluster's file has: the watch cache has a client of its own, pino does the logging. */
const SILENT = new Set([
  'logging',
  ...['acceptContentTypes', 'contentType', 'qps', 'burst'].map((field) => `clientConnection.${field}`),
])
/** Known to kube-proxy and without meaning here. */
const QUIET = new Set(['featureGates', 'iptables', 'ipvs', 'winkernel', 'oomScoreAdj', 'portRange'])

export interface LoadedProxyConfiguration {
  readonly config: KubeProxyConfiguration
  /** Things to tell the user once: unknown fields, fields without meaning here. */
  readonly warnings: readonly string[]
}

/**
 * Reads a KubeProxyConfiguration file and logs its warnings, each once; throws ProxyConfigurationError naming the file
 * and the field. Without a file: the defaults. `listeners` are the defaults of the bind addresses.
 */
export function loadProxyConfiguration(
  file: string | undefined,
  options: { log?: Logger | undefined; listeners?: Listeners | undefined } = {},
): KubeProxyConfiguration {
  if (file === undefined) return { ...DEFAULT_CONFIGURATION, ...options.listeners }
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ProxyConfigurationError(file, undefined, `cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
  const { config, warnings } = parseProxyConfiguration(text, file, options.listeners)
  for (const warning of warnings) options.log?.warn({ file }, warning)
  return config
}

/** The same from text; `file` is only for messages. */
export function parseProxyConfiguration(
  text: string,
  file: string,
  listeners?: Listeners,
): LoadedProxyConfiguration {
  const document = parseDocument(text)
  const [broken] = document.errors
  if (broken !== undefined)
    throw new ProxyConfigurationError(file, undefined, broken.message, { cause: broken })
  return readProxyConfiguration(document.toJS(), file, listeners)
}

/** The same from a parsed document. */
export function readProxyConfiguration(
  document: unknown,
  file: string,
  listeners?: Listeners,
): LoadedProxyConfiguration {
  const reader = new FieldReader(file, '', document)
  expectOne(reader, 'apiVersion', API_VERSION)
  expectOne(reader, 'kind', 'KubeProxyConfiguration')
  const defaults = { ...DEFAULT_CONFIGURATION, ...listeners }
  const mode = reader.string('mode', 'nftables')
  if (!MODES.includes(mode)) reader.fail('mode', `expected nftables, found "${mode}"`)
  const clientConnection = reader.nested('clientConnection')
  const nftables = reader.nested('nftables')
  const detectLocal = reader.nested('detectLocal')
  const conntrack = reader.nested('conntrack')
  const config: KubeProxyConfiguration = {
    clientConnection: { kubeconfig: clientConnection.string('kubeconfig', '') },
    hostnameOverride: reader.string('hostnameOverride', defaults.hostnameOverride),
    bindAddress: address(reader, 'bindAddress', defaults.bindAddress),
    healthzBindAddress: hostPort(reader, 'healthzBindAddress', defaults.healthzBindAddress),
    metricsBindAddress: hostPort(reader, 'metricsBindAddress', defaults.metricsBindAddress),
    bindAddressHardFail: reader.boolean('bindAddressHardFail', defaults.bindAddressHardFail),
    enableProfiling: reader.boolean('enableProfiling', defaults.enableProfiling),
    nftables: {
      masqueradeBit: nftables.integer('masqueradeBit', defaults.nftables.masqueradeBit, { min: 0, max: 31 }),
      masqueradeAll: nftables.boolean('masqueradeAll', defaults.nftables.masqueradeAll),
      syncPeriod: nftables.duration('syncPeriod', defaults.nftables.syncPeriod),
      minSyncPeriod: nftables.duration('minSyncPeriod', defaults.nftables.minSyncPeriod),
    },
    detectLocalMode: detectLocalMode(reader),
    detectLocal: {
      bridgeInterface: detectLocal.string('bridgeInterface', ''),
      interfaceNamePrefix: detectLocal.string('interfaceNamePrefix', ''),
    },
    clusterCIDR: clusterCIDR(reader),
    nodePortAddresses: nodePortAddresses(reader),
    conntrack: readConntrack(conntrack),
    configSyncPeriod: reader.duration('configSyncPeriod', defaults.configSyncPeriod),
    serviceProxyName: labelValue(reader, 'serviceProxyName'),
  }
  requireInterface(config, detectLocal)
  const warnings = warningsOf(mode, reader, [clientConnection, nftables, detectLocal, conntrack])
  const loopback = config.nodePortAddresses.filter((cidr) => /^127\.|^::1\//.test(cidr))
  if (loopback.length > 0)
    warnings.push(`nodePortAddresses: node ports are not offered on loopback (${loopback.join(', ')})`)
  return { config, warnings }
}

function expectOne(reader: FieldReader, field: string, expected: string): void {
  const value = reader.string(field, '')
  if (value !== expected)
    reader.fail(field, `expected ${expected}, found ${value === '' ? 'nothing' : `"${value}"`}`)
}

function address(reader: FieldReader, field: string, fallback: string): string {
  const value = reader.string(field, fallback)
  if (value !== '' && !ipaddr.isValid(value)) reader.fail(field, `"${value}" is not an IP address`)
  return value
}

function labelValue(reader: FieldReader, field: string): string {
  const value = reader.string(field, '')
  const isValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/.test(value)
  if (!isValue) reader.fail(field, `"${value}" cannot be the value of a label`)
  return value
}

function hostPort(reader: FieldReader, field: string, fallback: string): string {
  const value = reader.string(field, fallback)
  if (value === '') return value
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(value)
  const host = match?.[1] ?? match?.[2] ?? ''
  if (match === null || Number(match[3]) > 65_535 || (host !== '' && !ipaddr.isValid(host))) {
    reader.fail(field, `"${value}" is not IP:port`)
  }
  return value
}

function detectLocalMode(reader: FieldReader): DetectLocalMode {
  const value = reader.string('detectLocalMode', '')
  if (value === '') return DEFAULT_CONFIGURATION.detectLocalMode
  const known = DETECT_LOCAL_MODES.find((mode) => mode === value)
  if (known === undefined)
    reader.fail('detectLocalMode', `expected one of ${DETECT_LOCAL_MODES.join(', ')}, found "${value}"`)
  return known
}

function clusterCIDR(reader: FieldReader): readonly string[] {
  const value = reader.string('clusterCIDR', '')
  if (value.trim() === '') return []
  const cidrs = value.split(',').map((part) => part.trim())
  for (const cidr of cidrs)
    if (!ipaddr.isValidCIDR(cidr)) reader.fail('clusterCIDR', `"${cidr}" is not a CIDR`)
  const families = new Set(cidrs.map((cidr) => cidr.includes(':')))
  if (families.size < cidrs.length) reader.fail('clusterCIDR', 'expected at most one CIDR of each family')
  return cidrs
}

function nodePortAddresses(reader: FieldReader): readonly string[] {
  const values = reader.strings('nodePortAddresses', [])
  values.forEach((value, index) => {
    if (value !== 'primary' && !ipaddr.isValidCIDR(value)) {
      reader.fail(`nodePortAddresses[${index}]`, `expected a CIDR or "primary", found "${value}"`)
    }
  })
  return values.length === 0 ? DEFAULT_CONFIGURATION.nodePortAddresses : values
}

function readConntrack(reader: FieldReader): ConntrackConfiguration {
  const defaults = DEFAULT_CONFIGURATION.conntrack
  const count = { min: 0, max: 2 ** 31 - 1 }
  return {
    maxPerCore: reader.integer('maxPerCore', defaults.maxPerCore ?? 0, count) || undefined,
    min: reader.integer('min', defaults.min ?? 0, count) || undefined,
    tcpEstablishedTimeout:
      reader.duration('tcpEstablishedTimeout', defaults.tcpEstablishedTimeout) || undefined,
    tcpCloseWaitTimeout: reader.duration('tcpCloseWaitTimeout', defaults.tcpCloseWaitTimeout) || undefined,
    tcpBeLiberal: reader.boolean('tcpBeLiberal', defaults.tcpBeLiberal),
    udpTimeout: reader.duration('udpTimeout', defaults.udpTimeout) || undefined,
    udpStreamTimeout: reader.duration('udpStreamTimeout', defaults.udpStreamTimeout) || undefined,
  }
}

function requireInterface(config: KubeProxyConfiguration, reader: FieldReader): void {
  if (config.detectLocalMode === 'BridgeInterface' && config.detectLocal.bridgeInterface === '') {
    reader.fail('bridgeInterface', 'detectLocalMode BridgeInterface needs the name of the bridge')
  }
  if (config.detectLocalMode === 'InterfaceNamePrefix' && config.detectLocal.interfaceNamePrefix === '') {
    reader.fail('interfaceNamePrefix', 'detectLocalMode InterfaceNamePrefix needs a prefix')
  }
  for (const [field, name] of Object.entries(config.detectLocal)) {
    if (Buffer.byteLength(name) > 15)
      reader.fail(field, `"${name}" is longer than an interface name can be (15)`)
  }
}

function warningsOf(mode: string, reader: FieldReader, nested: readonly FieldReader[]): string[] {
  const warnings: string[] = []
  if (mode === 'iptables' || mode === 'ipvs')
    warnings.push(`mode: "${mode}" is not offered, nftables is used`)
  if (reader.boolean('enableProfiling', false))
    warnings.push('enableProfiling: has no meaning here and is ignored')
  for (const field of [...reader.rest(), ...nested.flatMap((inner) => inner.rest())]) {
    const known = QUIET.has(field)
    if (SILENT.has(field)) continue
    warnings.push(known ? `${field}: has no meaning here and is ignored` : `${field}: unknown field, ignored`)
  }
  return warnings
}

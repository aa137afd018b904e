import { isIP } from 'node:net'
import { annotationNames } from './annotations.ts'
import type { OverlaySettings } from './options.ts'

/** A flag of flannel's that cannot be used as given. */
export class OverlayFlagError extends Error {
  readonly code = 'OVERLAY_FLAG'

  constructor(flag: string, problem: string) {
    super(`${flag}: ${problem}`)
    this.name = 'OverlayFlagError'
  }
}

export interface OverlayFlags {
  /** From NODE_NAME. */
  readonly nodeName: string | undefined
  /** From POD_NAME and POD_NAMESPACE, where there is no NODE_NAME: the Pod we run in tells the node. */
  readonly pod: { readonly namespace: string; readonly name: string } | undefined
  readonly netConf: string
  readonly subnetFile: string
  readonly kubeconfig: string | undefined
  /** The API server to use instead of the configured one. */
  readonly apiServer: string | undefined
  readonly settings: OverlaySettings
  /** What is accepted and means nothing here, as one sentence each. */
  readonly warnings: readonly string[]
}

type FlagKind = 'text' | 'list' | 'switch' | 'number' | 'unused' | 'unused-switch'

/** flannel's flags (main.go, init). */
const FLAGS: Readonly<Record<string, FlagKind>> = {
  'net-config-path': 'text',
  'subnet-file': 'text',
  'kubeconfig-file': 'text',
  iface: 'list',
  'iface-regex': 'list',
  'iface-can-reach': 'text',
  'public-ip': 'text',
  'public-ipv6': 'text',
  'ip-masq': 'switch',
  'ip-masq-fully-random-disable': 'switch',
  'iptables-forward-rules': 'switch',
  'ip-blackhole-route': 'switch',
  'healthz-ip': 'text',
  'healthz-port': 'number',
  'kube-annotation-prefix': 'text',
  'set-node-network-unavailable': 'switch',
  'kube-subnet-mgr': 'switch',
  'kube-api-url': 'text',
  'iptables-resync': 'unused',
  'subnet-lease-renew-margin': 'unused',
  'charon-executable-path': 'unused',
  'charon-vici-uri': 'unused',
  v: 'unused',
  vmodule: 'unused',
  'log-dir': 'unused',
  log_dir: 'unused',
  stderrthreshold: 'unused',
  logtostderr: 'unused-switch',
  alsologtostderr: 'unused-switch',
}

/** Parses flannel's command line (Go's syntax: -flag, --flag, --flag=value) and environment. */
export function parseOverlayFlags(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): OverlayFlags {
  const given = new Given(env)
  given.read(args)
  const warnings = Object.entries(FLAGS)
    .filter(([name, kind]) => kind.startsWith('unused') && given.has(name))
    .map(([name]) => `--${name} has no effect here`)
  if (given.switch('kube-subnet-mgr') === false) {
    throw new OverlayFlagError('--kube-subnet-mgr', "cannot be off: the subnets are the Nodes' podCIDRs")
  }
  const random = given.switch('ip-masq-fully-random-disable') !== true
  return {
    nodeName: env['NODE_NAME'] === '' ? undefined : env['NODE_NAME'],
    pod: podOf(env),
    netConf: given.text('net-config-path') ?? '/etc/kube-flannel/net-conf.json',
    subnetFile: given.text('subnet-file') ?? '/run/flannel/subnet.env',
    kubeconfig: given.text('kubeconfig-file'),
    apiServer: given.url('kube-api-url'),
    settings: {
      iface: given.list('iface'),
      ifaceRegex: given.list('iface-regex').map((pattern) => expression(pattern)),
      ifaceCanReach: given.address('iface-can-reach'),
      publicIp: given.address('public-ip', 4),
      publicIpv6: given.address('public-ipv6', 6),
      ipMasq: given.switch('ip-masq') ?? true,
      ipMasqFullyRandom: random,
      forwardRules: given.switch('iptables-forward-rules') ?? true,
      blackholeRoute: given.switch('ip-blackhole-route') ?? false,
      annotationPrefix: prefix(given.text('kube-annotation-prefix')),
      setNodeNetworkUnavailable: given.switch('set-node-network-unavailable') ?? true,
      healthz: healthz(given),
    },
    warnings,
  }
}

function podOf(env: Readonly<Record<string, string | undefined>>): OverlayFlags['pod'] {
  const { POD_NAMESPACE: namespace, POD_NAME: name } = env
  return namespace !== undefined && namespace !== '' && name !== undefined && name !== ''
    ? { namespace, name }
    : undefined
}

function healthz(given: Given): OverlaySettings['healthz'] {
  const port = given.number('healthz-port') ?? 0
  return port === 0 ? undefined : { host: given.address('healthz-ip') ?? '0.0.0.0', port }
}

function expression(pattern: string): string {
  try {
    new RegExp(pattern)
  } catch (error) {
    throw new OverlayFlagError('--iface-regex', error instanceof Error ? error.message : String(error))
  }
  return pattern
}

function prefix(text: string | undefined): string | undefined {
  try {
    if (text !== undefined) annotationNames(text)
  } catch (error) {
    throw new OverlayFlagError(
      '--kube-annotation-prefix',
      error instanceof Error ? error.message : String(error),
    )
  }
  return text
}

/** What the command line says, and where it is silent the environment. */
class Given {
  readonly #values = new Map<string, string[]>()
  readonly #env: Readonly<Record<string, string | undefined>>

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env
  }

  read(args: readonly string[]): void {
    for (let i = 0; i < args.length; i += 1) {
      const [, name, value] = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(args[i] ?? '') ?? []
      if (name === undefined) throw new OverlayFlagError(`'${args[i]}'`, 'is no flag')
      const kind = FLAGS[name]
      if (kind === undefined) throw new OverlayFlagError(`--${name}`, unknown(name))
      if (value !== undefined) this.#add(name, value)
      else if (kind.endsWith('switch')) this.#add(name, 'true')
      else {
        i += 1
        const next = args[i]
        if (next === undefined) throw new OverlayFlagError(`--${name}`, 'needs a value')
        this.#add(name, next)
      }
    }
  }

  has(name: string): boolean {
    return this.list(name).length > 0
  }

  list(name: string): string[] {
    const values = this.#values.get(name)
    if (values !== undefined) return values.filter((value) => value !== '')
    const text = this.#env[`FLANNELD_${name.replaceAll('-', '_').toUpperCase()}`]
    if (text === undefined || text === '') return []
    return FLAGS[name] === 'list' ? text.split(',').map((part) => part.trim()) : [text]
  }

  text(name: string): string | undefined {
    return this.list(name).at(-1)
  }

  switch(name: string): boolean | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    // Go's strconv.ParseBool.
    if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
    if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false
    throw new OverlayFlagError(`--${name}`, `must be true or false, is '${text}'`)
  }

  number(name: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = Number(text)
    if (Number.isInteger(value) && value >= 0 && value <= 65535 && /^\d+$/.test(text)) return value
    throw new OverlayFlagError(`--${name}`, `must be a port number, is '${text}'`)
  }

  url(name: string): string | undefined {
    const text = this.text(name)
    if (text === undefined || (/^https?:/.test(text) && URL.canParse(text))) return text
    throw new OverlayFlagError(`--${name}`, `must be a URL such as https://10.0.0.1:6443, is '${text}'`)
  }

  address(name: string, family?: 4 | 6): string | undefined {
    const text = this.text(name)
    if (text === undefined || isIP(text) === family || (family === undefined && isIP(text) !== 0)) return text
    throw new OverlayFlagError(
      `--${name}`,
      `must be an IP${family === undefined ? '' : `v${family}`} address, is '${text}'`,
    )
  }

  #add(name: string, value: string): void {
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [value])
    else values.push(value)
  }
}

function unknown(name: string): string {
  return name.startsWith('etcd-')
    ? "etcd is not supported: the subnets are the Nodes' podCIDRs, as with --kube-subnet-mgr"
    : 'is no flag of the overlay (docs/overlay.md lists them)'
}

import { readFileSync } from 'node:fs'
import { DnsError } from './errors.ts'
import { pluginOrder } from './plugin-order.ts'
import { addressFamily } from './wire/index.ts'

/** What CoreDNS's command line can say. */
export interface DnsFlags {
  /** path of the Corefile; 'stdin' reads it from standard input; undefined: ./Corefile, or the default one */
  readonly conf: string | undefined
  readonly port: number
  readonly pidfile: string | undefined
  readonly quiet: boolean
  /** list the plugins and end */
  readonly plugins: boolean
  readonly version: boolean
  /** show what flags there are */
  readonly help: boolean
  /** processes that answer; undefined: one per CPU, at most `mostWorkers` */
  readonly workers: number | undefined
  /** node-cache's flags; undefined without -localip */
  readonly nodeLocal: NodeLocalFlags | undefined
}

/** What NodeLocal DNSCache's command line says about its addresses. */
export interface NodeLocalFlags {
  readonly addresses: readonly string[]
  readonly interfaceName: string
  readonly withoutInterface: boolean
  readonly withoutNotrack: boolean
  readonly keepInterface: boolean
  readonly healthPort: number
  readonly syncMs: number
  /** name of the Service that __PILLAR__CLUSTER__DNS__ stands for */
  readonly upstreamService: string
  /** the template that is used while there is no file at `conf` */
  readonly baseCorefile: string
}

const valued = new Set([
  'conf',
  'dns.port',
  'p',
  'pidfile',
  'workers',
  'localip',
  'interfacename',
  'syncinterval',
  'health-port',
  'upstreamsvc',
  'basecorefile',
  // Of node-cache, without a meaning here: metrics are on the address of the prometheus plugin, files are watched.
  'corefile',
  'metrics-listen-address',
  'kubednscm',
])
const switches = new Set([
  'quiet',
  'plugins',
  'version',
  'help',
  'h',
  'setupinterface',
  'setupiptables',
  'setupebtables',
  'skipteardown',
  'reloadwithsignal',
])

/**
 * Reads the flags of CoreDNS, and of node-cache, the way Go's flag package does: one or two dashes, `-name value` or `-name=value`, switches also
 * as `-name=false`. Throws DnsError DNS_FLAG for anything else.
 */
export function parseDnsFlags(argv: readonly string[]): DnsFlags {
  const values = new Map<string, string>()
  for (let i = 0; i < argv.length; i += 1) {
    const argument = argv[i] as string
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument)
    const name = match?.[1] ?? ''
    if (match === null || (!valued.has(name) && !switches.has(name))) {
      throw new DnsError('DNS_FLAG', `unknown argument '${argument}'; plexus dns -help lists those there are`)
    }
    let value = match[2]
    if (value === undefined && valued.has(name)) {
      i += 1
      value = argv[i]
      if (value === undefined) throw new DnsError('DNS_FLAG', `flag needs an argument: -${name}`)
    }
    values.set(name === 'p' ? 'dns.port' : name, value ?? 'true')
  }
  return {
    conf: values.get('conf') ?? values.get('corefile'),
    port: readPort(values.get('dns.port') ?? '53'),
    pidfile: values.get('pidfile'),
    quiet: readSwitch('quiet', values),
    plugins: readSwitch('plugins', values),
    version: readSwitch('version', values),
    help: readSwitch('help', values) || readSwitch('h', values),
    workers: values.has('workers')
      ? readNumber('workers', values, { min: 1, max: 1024, fallback: 1 })
      : undefined,
    nodeLocal: readNodeLocal(values),
  }
}

function readNodeLocal(values: ReadonlyMap<string, string>): NodeLocalFlags | undefined {
  const addresses = values.get('localip')
  if (addresses === undefined) return undefined
  const list = addresses.split(',').map((address) => address.trim())
  for (const address of list)
    if (addressFamily(address) === undefined)
      throw new DnsError('DNS_FLAG', `-localip '${address}' is no IP address`)
  return {
    addresses: list,
    interfaceName: values.get('interfacename') ?? 'nodelocaldns',
    withoutInterface: !readSwitch('setupinterface', values, { fallback: 'true' }),
    withoutNotrack: !readSwitch('setupiptables', values, { fallback: 'true' }),
    keepInterface: readSwitch('skipteardown', values),
    healthPort: readNumber('health-port', values, { min: 1, max: 65_535, fallback: 8080 }),
    syncMs: 1000 * readNumber('syncinterval', values, { min: 1, max: 86_400, fallback: 60 }),
    upstreamService: values.get('upstreamsvc') ?? 'kube-dns',
    baseCorefile: values.get('basecorefile') ?? '/etc/coredns/Corefile.base',
  }
}

/** Address of a Service as the kubelet tells every container: kube-dns is in KUBE_DNS_SERVICE_HOST. */
export function serviceHost(service: string, environment: NodeJS.ProcessEnv): string | undefined {
  return environment[`${service.toUpperCase().replaceAll('-', '_')}_SERVICE_HOST`]
}

/** What to print and end with (-help, -version, -plugins), or undefined. */
export function describeDnsFlags(flags: DnsFlags): string | undefined {
  if (flags.help) return `Usage: plexus dns [flags]\n\n${dnsUsage}`
  if (flags.version) return `Plexus DNS ${version()}, in place of CoreDNS 1.14`
  if (flags.plugins)
    return pluginNames()
      .map((name) => `dns.${name}`)
      .join('\n')
  return undefined
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const { version: found } = JSON.parse(text) as { version: string }
  return found
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1
  if (port < 0 || port > 65_535) throw new DnsError('DNS_FLAG', `-dns.port '${text}' is no port`)
  return port
}

function readNumber(
  name: string,
  values: ReadonlyMap<string, string>,
  limits: { readonly min: number; readonly max: number; readonly fallback: number },
): number {
  const text = values.get(name)
  if (text === undefined) return limits.fallback
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= limits.min && value <= limits.max) return value
  throw new DnsError('DNS_FLAG', `-${name} '${text}' must be a number from ${limits.min} to ${limits.max}`)
}

function readSwitch(
  name: string,
  values: ReadonlyMap<string, string>,
  { fallback = 'false' }: { readonly fallback?: string } = {},
): boolean {
  const text = (values.get(name) ?? fallback).toLowerCase()
  if (['true', 't', '1'].includes(text)) return true
  if (['false', 'f', '0'].includes(text)) return false
  throw new DnsError('DNS_FLAG', `-${name} '${text}' is neither true nor false`)
}

/** Names of the plugins there are, for -plugins. */
export function pluginNames(): string[] {
  return pluginOrder.filter((entry) => 'setup' in entry).map((entry) => entry.name)
}

export const dnsUsage = `  -conf FILE         Corefile to load, or "stdin" (default "Corefile")
  -dns.port, -p N    port of server blocks that name none (default 53)
  -pidfile FILE      write the process id there
  -quiet             log warnings and errors only
  -plugins           list the plugins and end
  -version           show the version and end
  -workers N         processes that answer (default: one per CPU, at most 4)
node-local addresses (the flags of node-cache):
  -localip A,B       addresses to make and serve, e.g. 169.254.20.10
  -interfacename N   interface that carries them (default nodelocaldns)
  -setupinterface=false, -setupiptables=false, -skipteardown
  -health-port N     health port on them, past connection tracking as port 53 (default 8080)
  -syncinterval S    seconds between two looks at the interface (default 60)
  -upstreamsvc NAME  Service that __PILLAR__CLUSTER__DNS__ stands for (default kube-dns)
  -basecorefile FILE template for when there is no file at -conf (default /etc/coredns/Corefile.base)
where the cluster is described, if the Corefile's kubernetes plugin does not say it and this is no pod:
  --manifests DIR    directory of Kubernetes manifests, read recursively and watched (repeatable)
  --kubeconfig FILE  read from an API server instead
  --snapshot FILE    keeps the last known state, to begin with while the API server is away
  --ready-file PATH  written once it serves
  --log-level LEVEL, --log-format FORMAT`

import { readFileSync } from 'node:fs'
import { DnsError } from './errors.ts'
import { pluginOrder } from './plugin-order.ts'

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
}

const valued = new Set(['conf', 'dns.port', 'p', 'pidfile'])
const switches = new Set(['quiet', 'plugins', 'version'])

/**
 * Reads CoreDNS's flags the way Go's flag package does: one or two dashes, `-name value` or `-name=value`, switches also
 * as `-name=false`. Throws DnsError DNS_FLAG for anything else.
 */
export function parseDnsFlags(argv: readonly string[]): DnsFlags {
  const values = new Map<string, string>()
  for (let i = 0; i < argv.length; i += 1) {
    const argument = argv[i] as string
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument)
    const name = match?.[1] ?? ''
    if (match === null || (!valued.has(name) && !switches.has(name))) {
      throw new DnsError('DNS_FLAG', `unknown argument '${argument}'; known are\n${dnsUsage}`)
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
    conf: values.get('conf'),
    port: readPort(values.get('dns.port') ?? '53'),
    pidfile: values.get('pidfile'),
    quiet: readSwitch('quiet', values),
    plugins: readSwitch('plugins', values),
    version: readSwitch('version', values),
  }
}

/** What to print and end with (-version, -plugins), or undefined. */
export function describeDnsFlags(flags: DnsFlags): string | undefined {
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

function readSwitch(name: string, values: ReadonlyMap<string, string>): boolean {
  const text = (values.get(name) ?? 'false').toLowerCase()
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
  -version           show the version and end`

import type { Logger } from 'pino'
import { DnsError } from '../errors.ts'
import type { MetricFamilies } from '../metrics/metrics.ts'
import { addressFamily, canonicalAddress } from '../wire/index.ts'
import { LocalInterface } from './interface.ts'
import { NotrackRules } from './notrack.ts'
import { Presence } from './presence.ts'

/** NodeLocal DNSCache's job: addresses that are the same on every node, answered by the node itself. */
export interface NodeLocalOptions {
  /** e.g. 169.254.20.10, and the kube-dns Service's address where pods' resolv.conf shall stay as it is */
  readonly addresses: readonly string[]
  /** name of the interface that is made ('nodelocaldns') */
  readonly interfaceName?: string | undefined
  /** the addresses are there already: make no interface */
  readonly withoutInterface?: boolean | undefined
  /** leave connection tracking alone */
  readonly withoutNotrack?: boolean | undefined
  /** leave the interface when stopping */
  readonly keepInterface?: boolean | undefined
  /** port of DNS (53) */
  readonly port?: number | undefined
  /** port of the health check on the addresses, taken past connection tracking, too */
  readonly healthPort?: number | undefined
  /** how often interface and addresses are looked at (60 s) */
  readonly syncMs?: number | undefined
  /** address of the cluster's DNS, for __PILLAR__CLUSTER__DNS__ */
  readonly clusterDns?: string | undefined
}

export interface NodeLocal {
  /** the words of NodeLocal DNSCache's Corefile templates */
  readonly pillars: Readonly<Record<string, string>>
  troubles(): readonly string[]
  tearDown(): void
}

const defaultInterface = 'nodelocaldns'

/** Makes interface and rules. Throws DnsError DNS_NODE_LOCAL. */
export async function setUpNodeLocal(
  options: NodeLocalOptions,
  context: { readonly log: Logger; readonly metrics: MetricFamilies },
): Promise<NodeLocal> {
  const { log, metrics } = context
  const errors = metrics.counter(
    'coredns_nodecache_setup_errors_total',
    'Errors while setting up interface and rules of the node-local addresses.',
    ['errortype'],
  )
  const addresses = options.addresses.map(checked)
  if (addresses.length === 0)
    throw new DnsError('DNS_NODE_LOCAL', 'node-local mode needs at least one address')
  const name = options.interfaceName ?? defaultInterface
  const link = options.withoutInterface === true ? undefined : new LocalInterface(name, addresses)
  const attempt = <T>(errortype: string, what: string, body: () => T): T => {
    try {
      return body()
    } catch (cause) {
      errors.cell(errortype).value += 1
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new DnsError('DNS_NODE_LOCAL', `node-local mode: ${what}: ${reason}`, { cause })
    }
  }
  const presence = link === undefined ? undefined : await Presence.announce(name)
  let rules: NotrackRules | undefined
  try {
    attempt('interface_add', `interface ${name} with ${addresses.join(', ')}`, () => link?.ensure())
    const { port = 53, healthPort } = options
    const tcpPorts = healthPort === undefined ? [port] : [port, healthPort]
    if (options.withoutNotrack !== true)
      rules = attempt(
        'iptables',
        'rules that keep queries out of connection tracking',
        () => new NotrackRules({ addresses, udpPorts: [port], tcpPorts }),
      )
  } catch (error) {
    presence?.withdraw()
    throw error
  }
  log.info({ object: `interface ${name}`, addresses, table: rules?.table }, 'node-local addresses are set up')

  let trouble: string | undefined
  const look = setInterval(() => {
    try {
      if (attempt('interface_check', `interface ${name}`, () => link?.ensure()) === true)
        log.warn({ object: `interface ${name}` }, 'interface or addresses were gone and are made again')
      trouble = undefined
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error)
    }
  }, options.syncMs ?? 60_000)
  look.unref()

  return {
    pillars: pillarsOf(addresses, options.clusterDns),
    troubles: () => (trouble === undefined ? [] : [trouble]),
    tearDown: () => {
      clearInterval(look)
      rules?.remove()
      // In a rolling restart the next process has it by now.
      const keep = options.keepInterface === true || presence?.shared() === true
      presence?.withdraw()
      if (!keep) link?.remove()
    },
  }
}

function checked(text: string): string {
  if (addressFamily(text) !== undefined) return canonicalAddress(text)
  throw new DnsError('DNS_NODE_LOCAL', `node-local mode: '${text}' is no IP address`)
}

function pillarsOf(addresses: readonly string[], clusterDns: string | undefined): Record<string, string> {
  return {
    __PILLAR__LOCAL__DNS__: addresses.join(' '),
    __PILLAR__UPSTREAM__SERVERS__: '/etc/resolv.conf',
    __PILLAR__DNS__DOMAIN__: 'cluster.local',
    ...(clusterDns === undefined
      ? {}
      : { __PILLAR__CLUSTER__DNS__: clusterDns, __PILLAR__DNS__SERVER__: clusterDns }),
  }
}

import type { Pod } from '#watch'

/** What a resolv.conf(5) holds. Options are as written there: `ndots:5`, `rotate`. */
export interface ResolvConf {
  readonly nameservers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

/** The kubelet's own settings: flags --cluster-dns, --cluster-domain and --resolv-conf. */
export interface ClusterDns {
  readonly clusterDNS: readonly string[]
  readonly clusterDomain: string
  readonly node: ResolvConf
}

/** Limits of kubelet (pkg/apis/core/validation MaxDNS*); glibc reads no more than 3 name servers (resolv.conf(5) MAXNS). */
const MAX_NAMESERVERS = 3
const MAX_SEARCHES = 32
const MAX_SEARCH_LIST_CHARACTERS = 2048
const MAX_SEARCH_CHARACTERS = 253

const CLUSTER_OPTIONS = ['ndots:5']

/**
 * The resolv.conf a Pod asks for by dnsPolicy and dnsConfig, as kubelet makes it (pkg/kubelet/network/dns/dns.go).
 * `exceeded` says in words what had to be left out.
 */
export function podResolvConf(pod: Pod, dns: ClusterDns): { conf: ResolvConf; exceeded: readonly string[] } {
  const base = policyConf(pod, dns)
  const config = pod.spec.dnsConfig
  return fitLimits({
    nameservers: distinct([...base.nameservers, ...(config?.nameservers ?? [])]),
    searches: distinct([...base.searches, ...(config?.searches ?? [])]),
    options: mergeOptions(
      base.options,
      (config?.options ?? []).map(({ name, value }) =>
        value === undefined || value === '' ? name : `${name}:${value}`,
      ),
    ),
  })
}

function policyConf(pod: Pod, dns: ClusterDns): ResolvConf {
  const { dnsPolicy, hostNetwork } = pod.spec
  if (dnsPolicy === 'None') return { nameservers: [], searches: [], options: [] }
  const usesCluster =
    dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork)
  // Without a cluster DNS server kubelet falls back to Default (and reports MissingClusterDNS).
  if (!usesCluster || dns.clusterDNS.length === 0) return dns.node
  const domain = dns.clusterDomain
  const own = domain === '' ? [] : [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain]
  return {
    nameservers: dns.clusterDNS,
    searches: distinct([...own, ...dns.node.searches]),
    options: CLUSTER_OPTIONS,
  }
}

function distinct(list: readonly string[]): string[] {
  return [...new Set(list)]
}

/** Options of the Pod win over those of the policy by name (`ndots:2` over `ndots:5`), in the place of the first. */
function mergeOptions(base: readonly string[], own: readonly string[]): string[] {
  const byName = new Map<string, string>()
  for (const option of [...base, ...own]) byName.set(option.split(':', 1)[0] ?? option, option)
  return [...byName.values()]
}

function fitLimits(full: ResolvConf): { conf: ResolvConf; exceeded: string[] } {
  const exceeded: string[] = []
  const leftOut = (what: string, list: readonly string[]) => {
    if (list.length > 0) exceeded.push(`${what} left out: ${list.join(', ')}`)
  }
  leftOut(`more than ${MAX_NAMESERVERS} name servers,`, full.nameservers.slice(MAX_NAMESERVERS))
  leftOut(`more than ${MAX_SEARCHES} search domains,`, full.searches.slice(MAX_SEARCHES))
  let searches = full.searches.slice(0, MAX_SEARCHES)
  // glibc 2.28 aborts on a longer one, so kubelet drops it.
  const tooLong = searches.filter((search) => search.length > MAX_SEARCH_CHARACTERS)
  leftOut(`search domains over ${MAX_SEARCH_CHARACTERS} characters,`, tooLong)
  searches = searches.filter((search) => search.length <= MAX_SEARCH_CHARACTERS)
  const fitting = [...searches]
  while (fitting.join(' ').length > MAX_SEARCH_LIST_CHARACTERS) fitting.pop()
  leftOut(`search list over ${MAX_SEARCH_LIST_CHARACTERS} characters,`, searches.slice(fitting.length))
  return {
    conf: {
      nameservers: full.nameservers.slice(0, MAX_NAMESERVERS),
      searches: fitting,
      options: full.options,
    },
    exceeded,
  }
}

/** Reads a resolv.conf(5): name servers add up, the last `search` (or `domain`) line counts, options merge. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = []
  let searches: string[] = []
  let options: string[] = []
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    const [first] = values
    if (keyword === 'nameserver' && first !== undefined) nameservers.push(first)
    else if (keyword === 'search' || keyword === 'domain') searches = values.map(withoutFinalDot)
    else if (keyword === 'options') options = mergeOptions(options, values)
  }
  return { nameservers, searches, options }
}

function withoutFinalDot(domain: string): string {
  return domain === '.' ? domain : domain.replace(/\.$/, '')
}

/** Writes it in the order container runtimes do: search, nameserver lines, options. */
export function formatResolvConf(conf: ResolvConf): string {
  const lines: string[] = []
  if (conf.searches.length > 0) lines.push(`search ${conf.searches.join(' ')}`)
  for (const nameserver of conf.nameservers) lines.push(`nameserver ${nameserver}`)
  if (conf.options.length > 0) lines.push(`options ${conf.options.join(' ')}`)
  return lines.map((line) => `${line}\n`).join('')
}

// The ruleset kube-proxy writes in nftables mode (pkg/proxy/nftables/README.md and proxier.go), as `nft -f` reads it: for each
// service port a chain with an anonymous verdict map, and for each endpoint a chain with two rules.
import { createHash } from 'node:crypto'
import { endpointAddresses, serviceAddress } from './cluster.ts'

const TABLE = 'ip kube-proxy'

/** 8 characters of base32(sha256), as kube-proxy's hashAndTruncate. */
function hash(text: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bytes = createHash('sha256').update(text).digest()
  return Array.from({ length: 8 }, (_, index) => digits[(bytes[index] ?? 0) & 31]).join('')
}

const serviceChain = (index: number): string => {
  const name = `load/s${index}/tcp/http`
  return `service-${hash(name)}-${name}`
}

const endpointChain = (index: number, address: string): string => {
  const name = `load/s${index}/tcp/http`
  return `endpoint-${hash(name + address)}-${name}__${address}/8080`
}

function serviceRules(index: number, endpoints: readonly string[]): string[] {
  const chain = serviceChain(index)
  const choices = endpoints
    .map((address, slot) => `${slot} : goto ${endpointChain(index, address)}`)
    .join(' , ')
  return [
    `add rule ${TABLE} ${chain} ip daddr ${serviceAddress(index)} tcp dport 80 ip saddr != 10.128.0.0/9 jump mark-for-masquerade`,
    `add rule ${TABLE} ${chain} numgen random mod ${endpoints.length} vmap { ${choices} }`,
  ]
}

function endpointRules(index: number, address: string): string[] {
  const chain = endpointChain(index, address)
  return [
    `add rule ${TABLE} ${chain} ip saddr ${address} jump mark-for-masquerade`,
    `add rule ${TABLE} ${chain} meta l4proto tcp dnat to ${address}:8080`,
  ]
}

const base = `add table ${TABLE} { comment "rules for kube-proxy" ; }
add chain ${TABLE} mark-for-masquerade
add chain ${TABLE} masquerading
add chain ${TABLE} reject-chain
add chain ${TABLE} services
add chain ${TABLE} service-endpoints-check
add chain ${TABLE} cluster-ips-check
add map ${TABLE} service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; }
add map ${TABLE} service-nodeports { type inet_proto . inet_service : verdict ; }
add map ${TABLE} no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict ; }
add set ${TABLE} cluster-ips { type ipv4_addr ; }
add map ${TABLE} firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict ; }
add map ${TABLE} no-endpoint-nodeports { type inet_proto . inet_service : verdict ; }
add chain ${TABLE} firewall-check
add chain ${TABLE} nodeport-endpoints-check
add chain ${TABLE} filter-prerouting-pre-dnat { type filter hook prerouting priority -110 ; }
add chain ${TABLE} filter-output-pre-dnat { type filter hook output priority -110 ; }
add chain ${TABLE} filter-input { type filter hook input priority 0 ; }
add chain ${TABLE} filter-forward { type filter hook forward priority 0 ; }
add chain ${TABLE} filter-output { type filter hook output priority 0 ; }
add chain ${TABLE} nat-prerouting { type nat hook prerouting priority -100 ; }
add chain ${TABLE} nat-output { type nat hook output priority -100 ; }
add chain ${TABLE} nat-postrouting { type nat hook postrouting priority 100 ; }
add rule ${TABLE} mark-for-masquerade mark set mark or 0x4000
add rule ${TABLE} masquerading mark and 0x4000 == 0 return
add rule ${TABLE} masquerading mark set mark xor 0x4000
add rule ${TABLE} masquerading masquerade fully-random
add rule ${TABLE} reject-chain reject
add rule ${TABLE} services ip daddr . meta l4proto . th dport vmap @service-ips
add rule ${TABLE} services ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @service-nodeports
add rule ${TABLE} service-endpoints-check ip daddr . meta l4proto . th dport vmap @no-endpoint-services
add rule ${TABLE} cluster-ips-check ip daddr @cluster-ips reject
add rule ${TABLE} firewall-check ip daddr . meta l4proto . th dport vmap @firewall-ips
add rule ${TABLE} nodeport-endpoints-check ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @no-endpoint-nodeports
add rule ${TABLE} filter-prerouting-pre-dnat ct state new jump firewall-check
add rule ${TABLE} filter-output-pre-dnat ct state new jump firewall-check
add rule ${TABLE} filter-input ct state new jump nodeport-endpoints-check
add rule ${TABLE} filter-input ct state new jump service-endpoints-check
add rule ${TABLE} filter-forward ct state new jump service-endpoints-check
add rule ${TABLE} filter-forward ct state new jump cluster-ips-check
add rule ${TABLE} filter-output ct state new jump service-endpoints-check
add rule ${TABLE} filter-output ct state new jump cluster-ips-check
add rule ${TABLE} nat-prerouting jump services
add rule ${TABLE} nat-output jump services
add rule ${TABLE} nat-postrouting jump masquerading`

/** The whole ruleset of the cluster, for one `nft -f`. */
export function fullRuleset(
  services: number,
  endpoints: number,
  own: ReadonlyMap<number, string[]> = new Map(),
): string {
  const lines = [base]
  const rules: string[] = []
  for (let index = 0; index < services; index += 1) {
    const addresses = own.get(index) ?? endpointAddresses(index, endpoints)
    lines.push(`add chain ${TABLE} ${serviceChain(index)}`)
    for (const address of addresses) {
      lines.push(`add chain ${TABLE} ${endpointChain(index, address)}`)
      rules.push(...endpointRules(index, address))
    }
    rules.push(...serviceRules(index, addresses))
    rules.push(
      `add element ${TABLE} service-ips { ${serviceAddress(index)} . tcp . 80 : goto ${serviceChain(index)} }`,
    )
    rules.push(`add element ${TABLE} cluster-ips { ${serviceAddress(index)} }`)
  }
  return `${[...lines, ...rules].join('\n')}\n`
}

/** What a partial sync writes when the endpoints of one Service become others. */
export function changedService(index: number, before: readonly string[], after: readonly string[]): string {
  const added = after.filter((address) => !before.includes(address))
  const gone = before.filter((address) => !after.includes(address))
  const lines = [
    ...added.map((address) => `add chain ${TABLE} ${endpointChain(index, address)}`),
    ...added.flatMap((address) => endpointRules(index, address)),
    `flush chain ${TABLE} ${serviceChain(index)}`,
    ...serviceRules(index, after),
    ...gone.map((address) => `flush chain ${TABLE} ${endpointChain(index, address)}`),
    ...gone.map((address) => `delete chain ${TABLE} ${endpointChain(index, address)}`),
  ]
  return `${lines.join('\n')}\n`
}

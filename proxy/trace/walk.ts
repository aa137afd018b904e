import type { Protocol } from '#watch'
import { familyOf, packAddress, packPort, packProtocol, packRange } from '../model/bytes.ts'
import { chainName, parseChainName, picksOf, type SharedChain } from '../model/chains.ts'
import { clusterIPsOf } from '../model/frontends.ts'
import { whyIgnored } from '../model/handled.ts'
import { type ElementKey, type Elements, SETS, type SetShape } from '../model/sets.ts'
import type { Client } from './client.ts'
import type { Destination } from './destination.ts'
import type { Trace, TraceContext } from './trace.ts'

/** A rule that the packet meets. */
export interface Step {
  readonly chain: string
  /** as nft prints it, with the element that matches */
  readonly rule: string
  /** what it does to this packet */
  readonly effect: string
}

/** The way of the first packet. */
export interface Way extends Pick<Trace, 'outcome' | 'summary' | 'masqueraded'> {
  readonly steps: readonly Step[]
  readonly service: string | undefined
  readonly byNodePort: boolean
  /** the chain that picks, if one does */
  readonly pick: SharedChain | undefined
}

interface Packet {
  readonly client: Client
  readonly destination: Destination
  readonly protocol: Protocol
}

/** Follows the packet through the base chains in the order of their priorities, over the elements that are programmed. */
export function walk(packet: Packet, context: TraceContext): Way {
  const { destination, protocol } = packet
  const { address, port, family } = destination
  const tail = packProtocol(protocol) + packPort(port)
  const key = (packAddress(address, family) ?? '') + tail
  const text = `${address} . ${protocol.toLowerCase()} . ${port}`
  const steps: Step[] = []
  const direct = context.programmed(key, family)
  const atNodePort = direct === undefined && isNodePortAddress(address, context)
  const elements = direct ?? (atNodePort ? context.programmed(tail, family) : undefined)
  const found = { key: direct === undefined ? tail : key, byNodePort: direct === undefined }
  const base = {
    steps,
    masqueraded: 'no' as const,
    service: elements === undefined ? undefined : context.ownerOf(found.key, family),
    byNodePort: elements !== undefined && found.byNodePort,
    pick: undefined,
  }
  if (direct !== undefined && !firewall(steps, { ...packet, elements: direct, key, text })) {
    const summary = 'dropped: the client is in none of loadBalancerSourceRanges'
    return { ...base, outcome: 'dropped', summary }
  }
  const hook = packet.client.kind === 'host' ? 'nat-output' : 'nat-prerouting'
  const maps = found.byNodePort
    ? {
        entry: SETS.serviceNodePorts,
        refused: SETS.noEndpointNodePorts,
        dropped: SETS.noLocalEndpointNodePorts,
        text: `${protocol.toLowerCase()} . ${port}`,
      }
    : {
        entry: SETS.serviceIps,
        refused: SETS.noEndpointServices,
        dropped: SETS.noLocalEndpointServices,
        text,
      }
  const target = elements === undefined ? undefined : context.targetOf(found.key, family)
  const chain = target === undefined ? undefined : parseChainName(target)
  if (target !== undefined && chain !== undefined) {
    const via = found.byNodePort ? 'services -> nodeports' : 'services'
    steps.push({
      chain: `${hook} -> ${via}`,
      rule: `@${maps.entry.name} { ${maps.text} }`,
      effect: `goes on in ${target}`,
    })
    const choice = throughChain(steps, chain, packet, context)
    if (choice.pick !== undefined) {
      const { pick, masqueraded } = choice
      pickStep(steps, pick)
      const among = pick.count === 1 ? 'the only endpoint' : `one of ${pick.count} endpoints`
      const summary = `translated to ${among}${pick.local ? ' on this node' : ''}`
      return { ...base, outcome: 'translated', summary, masqueraded, pick }
    }
  }
  const drops = elements?.has(maps.dropped.code + found.key) === true
  if (drops || elements?.has(maps.refused.code + found.key) === true) {
    const why = drops
      ? 'its endpoints are all on other nodes, and its traffic policy is Local'
      : 'it has no endpoint'
    const effect = `${drops ? 'dropped' : 'rejected'}: ${why}`
    const rule = drops
      ? `@${maps.dropped.name} { ${maps.text} } drop`
      : `@${maps.refused.name} { ${maps.text} } goto reject`
    steps.push({
      chain: filterHook(packet, found),
      rule,
      effect,
    })
    return { ...base, outcome: drops ? 'dropped' : 'rejected', summary: effect }
  }
  return { ...base, ...unknownDestination(steps, packet, context) }
}

/** False if the packet ends here. */
function firewall(steps: Step[], at: Packet & { elements: Elements; key: string; text: string }): boolean {
  const { client, elements, key, text } = at
  if (!elements.has(SETS.firewallIps.code + key)) return true
  const prefix = SETS.firewallAllowed.code + key
  const source = client.address === '' ? undefined : packAddress(client.address, familyOf(client.address))
  const allowed = source === undefined || rangesHold(elements, prefix, source)
  const chain = `filter-${client.kind === 'host' ? 'output' : 'prerouting'}-pre-dnat -> firewall-check`
  const rule = allowed
    ? `@${SETS.firewallAllowed.name} return`
    : `in @${SETS.firewallIps.name} { ${text} }: drop`
  const because = source === undefined ? 'the node, if one of its addresses is in the ranges' : client.address
  steps.push({
    chain,
    rule,
    effect: allowed ? `allowed: ${because}` : `dropped: ${client.address} is in no range`,
  })
  return allowed
}

function rangesHold(elements: Elements, prefix: ElementKey, source: string): boolean {
  for (const [key, last] of elements) {
    if (!key.startsWith(prefix)) continue
    const [from, to] = [key.slice(prefix.length), last.slice(prefix.length - 1)]
    if (source >= from && source <= to) return true
  }
  return false
}

function throughChain(
  steps: Step[],
  chain: SharedChain,
  { client }: Packet,
  { config }: TraceContext,
): { pick: SharedChain | undefined; masqueraded: Trace['masqueraded'] } {
  const name = chainName(chain)
  const picks = picksOf(chain)
  const unlessHairpin = client.kind === 'pod' ? ('if it reaches itself' as const) : ('no' as const)
  const meet = (rule: string, effect: string): void => void steps.push({ chain: name, rule, effect })
  if (chain.kind === 'cluster') {
    if (config.nftables.masqueradeAll) meet('jump mark-for-masquerade', 'masqueraded: masqueradeAll')
    else if (client.localBecause.endsWith('none is known'))
      meet('(none)', `not masqueraded, ${client.localBecause}`)
    else if (client.local) meet('source is a local pod', `not masqueraded, ${client.localBecause}`)
    else meet('source is no local pod: jump mark-for-masquerade', `masqueraded, ${client.localBecause}`)
    const marked =
      config.nftables.masqueradeAll || (!client.local && !client.localBecause.endsWith('none is known'))
    return { pick: chain.local ? picks.local : picks.cluster, masqueraded: marked ? 'yes' : unlessHairpin }
  }
  if (!chain.local) {
    meet('jump mark-for-masquerade', 'masqueraded: external traffic with policy Cluster')
    return { pick: picks.cluster, masqueraded: 'yes' }
  }
  if (client.local) {
    meet('source is a local pod', `short circuit to all endpoints, ${client.localBecause}`)
    return { pick: picks.cluster, masqueraded: unlessHairpin }
  }
  if (client.kind === 'host') {
    meet(
      'fib saddr type local: jump mark-for-masquerade',
      'masqueraded, short circuit to all endpoints: the node itself',
    )
    return { pick: picks.cluster, masqueraded: 'yes' }
  }
  if (picks.local !== undefined)
    meet('goto the endpoints of this node', 'externalTrafficPolicy Local: source kept')
  else meet('(end)', 'externalTrafficPolicy Local, and no endpoint on this node')
  return { pick: picks.local, masqueraded: 'no' }
}

function pickStep(steps: Step[], pick: SharedChain): void {
  const map = pick.kind === 'pick' ? SETS.endpoints : SETS.nodePortEndpoints
  const rule = `numgen random mod ${pick.count}, dnat to ${keyText(map)} slot map @${map.name}`
  const affinity = pick.sticky > 0 ? `; the client stays for ${pick.sticky} s (sessionAffinity)` : ''
  const choice = pick.count === 1 ? 'the only one' : `one of ${pick.count} by chance`
  steps.push({ chain: chainName(pick), rule, effect: `${choice}${affinity}` })
}

function keyText(map: SetShape): string {
  return map === SETS.endpoints ? 'daddr . l4proto . dport .' : 'l4proto . dport .'
}

function filterHook({ client }: Packet, { byNodePort }: { byNodePort: boolean }): string {
  if (byNodePort) return 'filter-input -> nodeport-endpoints-check'
  return `filter-${client.kind === 'host' ? 'output' : 'forward'} -> service-endpoints-check`
}

function unknownDestination(
  steps: Step[],
  { client, destination, protocol }: Packet,
  { store, node, config }: TraceContext,
): Pick<Way, 'outcome' | 'summary'> {
  const { address, port, family } = destination
  const chain = `filter-${client.kind === 'host' ? 'output' : 'forward'} -> cluster-ips-check`
  const owner = [...store.list('Service')].find(
    (service) => whyIgnored(service, config) === undefined && clusterIPsOf(service).includes(address),
  )
  if (owner !== undefined) {
    const name = `${owner.metadata.namespace}/${owner.metadata.name}`
    const effect = `rejected: Service ${name} has no ${protocol} port ${port}`
    steps.push({ chain, rule: `daddr @${SETS.clusterIps.name} goto reject`, effect })
    return { outcome: 'rejected', summary: effect }
  }
  const packed = packAddress(address, family) ?? ''
  const network = node.serviceCIDRs.find((cidr) => {
    const range = packRange(cidr, family)
    return range !== undefined && packed >= range.first && packed <= range.last
  })
  if (network === undefined) {
    return { outcome: 'untouched', summary: 'no Service has this address and port: it is routed as it is' }
  }
  const effect = `dropped: no Service has this address of ServiceCIDR ${network}`
  steps.push({ chain, rule: `daddr ${network} drop`, effect })
  return { outcome: 'dropped', summary: effect }
}

function isNodePortAddress(address: string, { config, node }: TraceContext): boolean {
  const family = familyOf(address)
  const packed = packAddress(address, family) ?? ''
  const loopback = family === 4 ? packed.startsWith('\x7f') : address === '::1'
  if (loopback) return false
  return config.nodePortAddresses.some((entry) => {
    if (entry === 'primary') return node.addresses.includes(address)
    const range = packRange(entry, family)
    return range !== undefined && packed >= range.first && packed <= range.last
  })
}

import type { Endpoint, Node, Service, Store } from '#watch'

// What a table must hold, computed in the plainest way from what README.md says; shares no code with proxy/. Rows are as
// render.ts prints them.

interface Want {
  readonly service: Service
  readonly port: Service['spec']['ports'][number]
  readonly kind: 'clusterIP' | 'externalIP' | 'vip' | 'nodePort'
  /** `ADDRESS PROTOCOL PORT`, or `PROTOCOL PORT` of a node port */
  readonly key: string
}

const isV6 = (address: string): boolean => address.includes(':')

/** IPv6 addresses as eight groups of four digits. */
function spelled(address: string): string {
  if (!isV6(address)) return address
  const [left = '', right = ''] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const [head, tail] = [groups(left), groups(right)]
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0')
  return [...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join(':')
}

/** First and last addresses of the networks that the test's Services use. */
const NETWORKS: Readonly<Record<string, readonly [string, string]>> = {
  '10.0.0.0/8': ['10.0.0.0', '10.255.255.255'],
  '10.1.0.0/16': ['10.1.0.0', '10.1.255.255'],
  '192.0.2.0/24': ['192.0.2.0', '192.0.2.255'],
}

function wantsOf(service: Service, family: 4 | 6): Want[] {
  const { spec, status, metadata } = service
  if (metadata.labels['service.kubernetes.io/service-proxy-name'] !== undefined) return []
  if (spec.type === 'ExternalName' || spec.clusterIPs.includes('None')) return []
  const ours = (address: string): boolean => isV6(address) === (family === 6)
  const clusterIPs = spec.clusterIPs.filter(ours)
  if (clusterIPs.length === 0) return []
  return spec.ports.flatMap((port) => {
    const at = (kind: Want['kind'], address: string): Want => ({
      service,
      port,
      kind,
      key: `${spelled(address)} ${port.protocol} ${port.port}`,
    })
    const vips =
      spec.type === 'LoadBalancer' ? status.loadBalancer.ingress.map(({ ip }) => ip).filter(ours) : []
    const wants = [
      ...clusterIPs.map((address) => at('clusterIP', address)),
      ...spec.externalIPs.filter(ours).map((address) => at('externalIP', address)),
      ...vips.map((address) => at('vip', address)),
    ]
    if (port.nodePort > 0 && spec.type !== 'ClusterIP')
      wants.push({ service, port, kind: 'nodePort', key: `${port.protocol} ${port.nodePort}` })
    // Within a Service the first of two equal frontends counts.
    return wants.filter((want, index) => wants.findIndex(({ key }) => key === want.key) === index)
  })
}

function choose(
  endpoints: readonly Endpoint[],
  node: Node,
): { cluster: string[]; local: string[]; own: string[] } {
  const zone = node.metadata.labels['topology.kubernetes.io/zone'] ?? ''
  const ready = endpoints.filter((endpoint) => endpoint.ready)
  const fallback = endpoints.filter((endpoint) => !endpoint.ready && endpoint.serving && endpoint.terminating)
  const byZone =
    zone !== '' &&
    ready.every(({ zoneHints }) => zoneHints.length > 0) &&
    ready.some(({ zoneHints }) => zoneHints.includes(zone))
  const preferred = byZone ? ready.filter(({ zoneHints }) => zoneHints.includes(zone)) : ready
  const here = (list: readonly Endpoint[]) => list.filter(({ nodeName }) => nodeName === node.metadata.name)
  const cluster = preferred.length > 0 ? preferred : fallback
  const local = here(ready).length > 0 ? here(ready) : here(fallback)
  const text = ({ address, port }: Endpoint): string => `${spelled(address)} ${port}`
  return {
    cluster: cluster.map(text),
    local: local.map(text),
    own: [...here(cluster), ...local].map(({ address }) => spelled(address)),
  }
}

function endpointsOf(store: Store, { service, port }: Want, family: 4 | 6): Endpoint[] {
  const { namespace, name } = service.metadata
  return store.endpoints
    .of(`${namespace}/${name}`)
    .ports.filter((candidate) => candidate.name === port.name && candidate.protocol === port.protocol)
    .flatMap(({ endpoints }) => endpoints)
    .filter((endpoint) => endpoint.family === family)
}

function frontendRows(want: Want, chosen: ReturnType<typeof choose>): string[] {
  const { service, port, kind, key } = want
  const { spec, metadata } = service
  const { cluster, local } = chosen
  const external = kind !== 'clusterIP'
  const isLocal = (external ? spec.externalTrafficPolicy : spec.internalTrafficPolicy) === 'Local'
  const comment = ` # ${metadata.namespace}/${metadata.name}:${port.name}`
  const nodePort = kind === 'nodePort'
  const rows: string[] = []
  const kindOfSet = nodePort ? 'nodeports' : 'services'
  if (cluster.length === 0) return [`no-endpoint-${kindOfSet} ${key}${comment}`]
  if (isLocal && local.length === 0) {
    rows.push(`no-local-endpoint-${kindOfSet} ${key}${comment}`)
    if (!external) return rows
  }
  const counts = !isLocal
    ? `-${cluster.length}`
    : external
      ? `-local-${cluster.length}-${local.length}`
      : `-local-${local.length}`
  const sticky = spec.sessionAffinity === 'ClientIP'
  const chain = `${{ clusterIP: 'cluster', externalIP: 'external', vip: 'external', nodePort: 'nodeport' }[kind]}${counts}`
  const entry = nodePort ? 'service-nodeports' : 'service-ips'
  rows.push(
    `${entry} ${key} = goto ${chain}${sticky ? `-sticky-${spec.sessionAffinityTimeout}` : ''}${comment}`,
  )
  const put = (endpoints: readonly string[], prefix: string): void => {
    endpoints.forEach((endpoint, slot) => {
      rows.push(`${nodePort ? 'nodeport-endpoints' : 'endpoints'} ${key} ${prefix}${slot} = ${endpoint}`)
      if (!sticky) return
      rows.push(`${nodePort ? 'nodeport-endpoints' : 'endpoints'} ${key} sticky = ${endpoint}`)
      rows.push(`${nodePort ? 'sticky-nodeport-slots' : 'sticky-slots'} ${key} ${prefix}${slot} = sticky`)
    })
  }
  if (!isLocal || external) put(cluster, '')
  if (isLocal) put(local, 'L')
  return rows
}

function firewallRows({ service, kind, key }: Want, node: Node): string[] {
  const ranges = service.spec.loadBalancerSourceRanges
  if (kind !== 'vip' || isV6(key) || ranges.length === 0) return []
  const outer = ranges.filter((range) => range !== '10.1.0.0/16' || !ranges.includes('10.0.0.0/8'))
  const spans = outer.map((range) => NETWORKS[range] ?? ['?', '?'])
  const nodeInside = node.status.addresses.some(
    ({ address }) => address.startsWith('192.0.2.') && ranges.includes('192.0.2.0/24'),
  )
  const vip = key.split(' ')[0] ?? ''
  if (nodeInside) spans.push([vip, vip])
  return [
    `firewall-ips ${key}`,
    ...spans.map(([first, last]) => `firewall-allowed ${key} ${first} .. ${key} ${last}`),
  ]
}

/** Every row of the table of a family, sorted. */
export function recompute(store: Store, node: Node, family: 4 | 6): string[] {
  const services = [...store.list('Service')].sort((a, b) => {
    const rank = ({ metadata }: Service) =>
      `${metadata.creationTimestamp} ${metadata.namespace}/${metadata.name}`
    return rank(a) < rank(b) ? -1 : 1
  })
  const rows = new Set<string>()
  const several: string[] = []
  const owned = new Set<string>()
  for (const want of services.flatMap((service) => wantsOf(service, family))) {
    const chosen = choose(endpointsOf(store, want, family), node)
    for (const address of chosen.own) rows.add(`hairpin ${address} ${address}`)
    if (want.kind === 'clusterIP') rows.add(`cluster-ips ${want.key.split(' ')[0]}`)
    if (owned.has(want.key)) continue
    owned.add(want.key)
    // Rows of sticky slots look alike although their keys differ, so these must not be made distinct.
    several.push(...frontendRows(want, chosen), ...firewallRows(want, node))
  }
  for (const { address } of node.status.addresses)
    if (isV6(address) === (family === 6)) rows.add(`nodeport-ips ${spelled(address)}`)
  return [...rows, ...several].sort()
}

// A cluster of 5,000 Services with four endpoints each, in the form each contender reads it, and what clients ask it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const serviceCount = 5000
const namespaceCount = 50
const endpointsPerService = 4
const externalCount = 500
const ttl = 30

interface ServiceFixture {
  readonly name: string
  readonly namespace: string
  readonly headless: boolean
  readonly clusterIP: string
  readonly endpoints: readonly { readonly address: string; readonly host: string }[]
}

/** Every tenth Service is headless. */
export const services: readonly ServiceFixture[] = Array.from({ length: serviceCount }, (_, i) => ({
  name: `svc-${i}`,
  namespace: `ns-${i % namespaceCount}`,
  headless: i % 10 === 9,
  clusterIP: `10.96.${i >> 8}.${i & 255}`,
  endpoints: Array.from({ length: endpointsPerService }, (__, j) => {
    const n = i * endpointsPerService + j
    return { address: `10.${128 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`, host: `pod-${j}` }
  }),
}))

const fullName = (service: ServiceFixture): string =>
  `${service.name}.${service.namespace}.svc.cluster.local.`
const reverseOf = (address: string): string => `${address.split('.').reverse().join('.')}.in-addr.arpa.`

type Line = readonly [owner: string, type: string, value: string]

/** What the Kubernetes DNS specification says about the fixture, as records. */
function clusterRecords(): { forward: Line[]; reverse: Line[] } {
  const forward: Line[] = []
  const reverse: Line[] = []
  for (const service of services) {
    const name = fullName(service)
    if (!service.headless) {
      forward.push([name, 'A', service.clusterIP], [`_http._tcp.${name}`, 'SRV', `0 100 80 ${name}`])
      reverse.push([reverseOf(service.clusterIP), 'PTR', name])
    }
    for (const { address, host } of service.endpoints) {
      forward.push([`${host}.${name}`, 'A', address])
      reverse.push([reverseOf(address), 'PTR', `${host}.${name}`])
      if (!service.headless) continue
      forward.push([name, 'A', address], [`_http._tcp.${name}`, 'SRV', `0 25 8080 ${host}.${name}`])
    }
  }
  return { forward, reverse }
}

const soa = 'ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30'

/** Zone files for CoreDNS's `file`. */
export function writeZones(folder: string): { forward: string; reverse: string } {
  const records = clusterRecords()
  const write = (zone: string, lines: readonly Line[]): string => {
    const path = join(folder, `${zone}zone`)
    const head = `${zone} ${ttl} IN SOA ${soa}\n${zone} ${ttl} IN NS ns.dns.cluster.local.\n`
    const body = lines.map(([owner, type, value]) => `${owner} ${ttl} IN ${type} ${value}\n`).join('')
    writeFileSync(path, head + body)
    return path
  }
  return {
    forward: write('cluster.local.', records.forward),
    reverse: write('10.in-addr.arpa.', records.reverse),
  }
}

/** `local-zone` and `local-data` lines for unbound. */
export function unboundLocalData(): string {
  const { forward, reverse } = clusterRecords()
  const zone = (name: string): string =>
    `  local-zone: "${name}" static\n  local-data: "${name} ${ttl} IN SOA ${soa}"\n`
  const data = [...forward, ...reverse].map(
    ([owner, type, value]) => `  local-data: "${owner} ${ttl} IN ${type} ${value}"\n`,
  )
  return zone('cluster.local.') + zone('10.in-addr.arpa.') + data.join('')
}

/** Local data of the upstream: names outside the cluster. */
export function externalLocalData(): string {
  return Array.from({ length: externalCount }, (_, i) =>
    ['cached.test', 'forwarded.test']
      .map((zone) => `  local-data: "host-${i}.${zone}. 300 IN A 192.0.2.${i & 255}"\n`)
      .join(''),
  ).join('')
}

/** Manifests for Plexus: Services with their EndpointSlices, one file per namespace. */
export function writeManifests(folder: string): string {
  const directory = join(folder, 'manifests')
  mkdirSync(directory)
  const items = new Map<string, unknown[]>()
  for (const { name, namespace, headless, clusterIP, endpoints } of services) {
    const list = items.get(namespace) ?? []
    items.set(namespace, list)
    list.push(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace },
        spec: {
          clusterIP: headless ? 'None' : clusterIP,
          ports: [{ name: 'http', port: headless ? 8080 : 80, protocol: 'TCP' }],
        },
      },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: `${name}-1`, namespace, labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        endpoints: endpoints.map(({ address, host }) => ({
          addresses: [address],
          hostname: host,
          conditions: { ready: true },
        })),
      },
    )
  }
  for (const [namespace, list] of items)
    writeFileSync(
      join(directory, `${namespace}.json`),
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: list }),
    )
  return directory
}

/** What a cluster asks, in percent; a seeded order, the same for every contender and run. */
const mix: readonly (readonly [percent: number, question: (n: number) => string])[] = [
  [35, (n) => `${fullName(pick(n, false))} A`],
  // no IPv6: every resolver asks for it all the same
  [15, (n) => `${fullName(pick(n, false))} AAAA`],
  // ndots:5, the search path of a pod
  [20, (n) => `host-${n % externalCount}.cached.test.ns-${n % namespaceCount}.svc.cluster.local. A`],
  [5, (n) => `${fullName(pick(n, true))} A`],
  [5, (n) => `_http._tcp.${fullName(pick(n, false))} SRV`],
  [5, (n) => `${reverseOf(pick(n, false).clusterIP)} PTR`],
  [10, (n) => `host-${n % externalCount}.cached.test. A`],
  [5, (n) => `host-${n % externalCount}.forwarded.test. A`],
]

function pick(n: number, headless: boolean): ServiceFixture {
  const at = headless ? (n % (serviceCount / 10)) * 10 + 9 : n % serviceCount
  const service = services[at]
  if (service === undefined) throw new Error(`the fixture has no Service ${at}`)
  return service.headless === headless ? service : pick(n + 1, headless)
}

/** Writes the questions in dnsperf's form; `only` keeps those of cluster data. */
export function writeQueries(path: string, options: { count: number; clusterOnly?: boolean }): string {
  let seed = 20_260_101
  const random = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return seed
  }
  const parts = options.clusterOnly === true ? mix.slice(0, 1) : mix
  const total = parts.reduce((sum, [percent]) => sum + percent, 0)
  const lines: string[] = []
  for (let i = 0; i < options.count; i += 1) {
    let left = (random() >>> 8) % total
    const part = parts.find(([percent]) => {
      left -= percent
      return left < 0
    })
    if (part !== undefined) lines.push(part[1](random() >>> 8))
  }
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

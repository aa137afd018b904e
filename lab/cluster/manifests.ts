import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import ipaddr from 'ipaddr.js'
import type { Store } from '#watch'
import { LabError } from '../errors.ts'
import type { LabLayout } from './layout.ts'
import type { LabNode } from './state.ts'
import { EXAMPLE_SUBNET, subnetPrefix, type Underlay } from './underlay.ts'

/** All Pods get addresses from here; the Nodes' podCIDRs lie inside. */
export const POD_NETWORK = '10.244.0.0/16'
export const CLUSTER_DOMAIN = 'cluster.local'
const DNS_SERVICE = 'kube-system/kube-dns'

/**
 * Copies manifests and images into the lab's directory, with the lab's underlay in place of the example's. The copy is
 * the user's to edit. An image is a folder of programs: `image: bookstore:1` means `images/bookstore`.
 */
export function copyManifests(layout: LabLayout, underlay: Underlay, source: string): void {
  let files: string[]
  try {
    files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  } catch (cause) {
    throw new LabError('LAB_MANIFEST', `--manifests ${source}: this folder cannot be read`, { cause })
  }
  for (const file of files) {
    if (!/\.(ya?ml|json)$/.test(file) || file.startsWith('images/')) continue
    const target = path.join(layout.manifests, file)
    mkdirSync(path.dirname(target), { recursive: true })
    const text = readFileSync(path.join(source, file), 'utf8')
    writeFileSync(target, text.replaceAll(subnetPrefix(EXAMPLE_SUBNET), subnetPrefix(underlay.subnet)))
  }
  mkdirSync(layout.status, { recursive: true })
  mkdirSync(layout.images, { recursive: true })
  const images = path.join(source, 'images')
  if (existsSync(images)) cpSync(images, layout.images, { recursive: true })
}

/** What the lab has to build so that the manifests can be true. */
export interface ClusterPlan {
  readonly nodes: readonly LabNode[]
  /** status.loadBalancer addresses of all Services. */
  readonly loadBalancers: readonly string[]
  /** The address pods find in their resolv.conf; empty without a Service kube-system/kube-dns. */
  readonly clusterDNS: readonly string[]
}

/** Reads nodes and addresses from the manifests and checks that a lab can be made of them. */
export function planCluster(store: Store, underlay: Underlay): ClusterPlan {
  const fail = (what: string): never => {
    throw new LabError('LAB_MANIFEST', what)
  }
  const nodes = [...store.list('Node')]
    .map((node): LabNode => {
      const { name } = node.metadata
      const address = node.status.addresses.find(({ type }) => type === 'InternalIP')?.address
      const { podCIDR } = node.spec
      if (address === undefined) {
        return fail(
          `Node ${name}: status.addresses has no InternalIP: give it one of ${underlay.cidr}, e.g. ${subnetPrefix(underlay.subnet)}11`,
        )
      }
      if (!contains(underlay.cidr, address)) {
        fail(`Node ${name}: InternalIP ${address} is outside the lab's underlay ${underlay.cidr}`)
      }
      if (podCIDR === '' || !contains(POD_NETWORK, podCIDR.split('/')[0] ?? '')) {
        fail(
          `Node ${name}: spec.podCIDR "${podCIDR}" must lie inside the lab's pod network ${POD_NETWORK}, e.g. 10.244.1.0/24`,
        )
      }
      if (!/^[a-z0-9]([a-z0-9-]{0,11}[a-z0-9])?$/.test(name) || name === 'fabric' || name === 'outside') {
        fail(
          `Node ${name}: choose a name of at most 13 lower-case letters, digits and hyphens that is not "fabric" or "outside"`,
        )
      }
      return { name, address, podCIDR }
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
  if (nodes.length === 0)
    fail('the manifests have no Node: add at least one (see examples/bookstore/nodes.yaml)')
  const loadBalancers = [...store.list('Service')].flatMap((service) =>
    service.status.loadBalancer.ingress.flatMap(({ ip }) => (ip === '' ? [] : [ip])),
  )
  const dns = store.get('Service', DNS_SERVICE)
  return {
    nodes,
    loadBalancers: [...new Set(loadBalancers)].sort(),
    clusterDNS: dns === undefined ? [] : dns.spec.clusterIPs.filter((ip) => ip !== 'None'),
  }
}

function contains(cidr: string, address: string): boolean {
  return (
    ipaddr.IPv4.isValidFourPartDecimal(address) &&
    ipaddr.IPv4.parse(address).match(ipaddr.IPv4.parseCIDR(cidr))
  )
}

import type { Store } from '#watch'
import type { KubeProxyConfiguration } from '../config/configuration.ts'
import { type Family, familyOf, packAddress, packRange } from '../model/bytes.ts'
import type { NodeState } from '../node-view.ts'
import { TraceError } from './errors.ts'

/** Who connects. */
export interface Client {
  readonly kind: 'pod' | 'host' | 'outside'
  /** for people */
  readonly name: string
  /** '' for the node itself, whose address depends on the way */
  readonly address: string
  /** the namespace that short names are looked up in */
  readonly namespace: string
  /** taken for a pod of this node (detectLocalMode) */
  readonly local: boolean
  /** why, or why not */
  readonly localBecause: string
}

interface Context {
  readonly store: Store
  readonly config: KubeProxyConfiguration
  readonly node: NodeState
}

/**
 * Finds the client: `host` for the node itself, a Pod as `name` (namespace default) or `namespace/name`, or any IP address.
 * Throws TraceError if there is no such Pod, or it has no address of the family.
 */
export function findClient(text: string, family: Family, context: Context): Client {
  const { store, node } = context
  if (text === 'host' || node.addresses.includes(text)) return host('this node', 'default')
  if (packAddress(text, familyOf(text)) !== undefined) {
    if (familyOf(text) !== family) throw new TraceError(`${text} cannot connect to an IPv${family} address`)
    const owner = [...store.list('Pod')].find(
      (pod) => pod.status.podIPs.includes(text) && !pod.spec.hostNetwork,
    )
    if (owner === undefined)
      return withLocality({ kind: 'outside', name: text, address: text, namespace: '' }, context)
    return findClient(`${owner.metadata.namespace}/${owner.metadata.name}`, family, context)
  }
  const key = text.includes('/') ? text : `default/${text}`
  const pod = store.get('Pod', key)
  if (pod === undefined) {
    const elsewhere = [...store.list('Pod')].filter(({ metadata }) => metadata.name === text)
    const hint = elsewhere.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ')
    throw new TraceError(`there is no Pod ${key}${hint === '' ? '' : `; did you mean ${hint}?`}`)
  }
  const here = pod.spec.nodeName === node.view(family).nodeName
  if (pod.spec.hostNetwork && here) return host(`Pod ${key} in the host network`, pod.metadata.namespace)
  const address = pod.status.podIPs.find((candidate) => familyOf(candidate) === family)
  if (address === undefined) throw new TraceError(`Pod ${key} has no IPv${family} address`)
  const where = here ? '' : ` on node ${pod.spec.nodeName}, as its packets are treated when they come here`
  const found = { name: `Pod ${key}${where}`, address, namespace: pod.metadata.namespace }
  return withLocality({ kind: here && !pod.spec.hostNetwork ? 'pod' : 'outside', ...found }, context)
}

function host(name: string, namespace: string): Client {
  const because = 'the node itself is no pod'
  return { kind: 'host', name, address: '', namespace, local: false, localBecause: because }
}

function withLocality(client: Omit<Client, 'local' | 'localBecause'>, { config, node }: Context): Client {
  const mode = config.detectLocalMode
  const family = familyOf(client.address)
  if (mode === 'BridgeInterface' || mode === 'InterfaceNamePrefix') {
    const { bridgeInterface, interfaceNamePrefix } = config.detectLocal
    const name = mode === 'BridgeInterface' ? bridgeInterface : `${interfaceNamePrefix}*`
    const local = client.kind === 'pod'
    return {
      ...client,
      local,
      localBecause: `${mode}: it ${local ? 'comes' : 'does not come'} in from ${name}`,
    }
  }
  const cidrs = mode === 'ClusterCIDR' ? config.clusterCIDR : node.podCIDRs
  const cidr = cidrs.find((candidate) => familyOf(candidate) === family)
  if (cidr === undefined) return { ...client, local: false, localBecause: `${mode}: none is known` }
  const range = packRange(cidr, family)
  const packed = packAddress(client.address, family) ?? ''
  const local = range !== undefined && packed >= range.first && packed <= range.last
  return { ...client, local, localBecause: `${mode}: ${client.address} is ${local ? '' : 'not '}in ${cidr}` }
}

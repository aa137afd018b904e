import { type Endpoint, endpointsOfPort, type Service, type ServiceEndpoints, type ServicePort } from '#watch'
import { type Bytes, type Family, hashOf, packAddress, packMark, packPort, packProtocol } from './bytes.ts'
import { chainName, chainNumber, type SharedChain } from './chains.ts'
import { allowedSources } from './firewall.ts'
import { type Frontend, frontendsOf, type Problem, policyOf } from './frontends.ts'
import { type ProxyIdentity, whyIgnored } from './handled.ts'
import { type Locality, type Selection, selectEndpoints } from './selection.ts'
import { type Elements, LOCAL_SLOTS, SETS, STICKY_SLOTS } from './sets.ts'

/** What of this node the elements of a Service depend on. */
export interface NodeView extends Locality, ProxyIdentity {
  readonly family: Family
  /** the Node object's addresses, both families */
  readonly addresses: readonly string[]
}

/** Identity of a frontend within a family, over all Services: only one of them can have it. */
export type FrontendKey = Bytes

/** Everything one Service wants in the tables of one family. */
export interface ServiceRules {
  /** elements which only one Service can own, by the frontend they hang on */
  readonly frontends: ReadonlyMap<FrontendKey, Elements>
  /** elements which several Services may want alike */
  readonly shared: Elements
  /** the chain which each frontend leads to */
  readonly targets: ReadonlyMap<FrontendKey, string>
  /** parts of the object that had to be left out */
  readonly problems: readonly Problem[]
  /** ports whose policy is Local and whose endpoints are all elsewhere */
  readonly noLocal: { readonly internal: number; readonly external: number }
}

const NO_PORTS = { internal: 0, external: 0 }
const NONE: ServiceRules = {
  frontends: new Map(),
  shared: new Map(),
  targets: new Map(),
  problems: [],
  noLocal: NO_PORTS,
}

/**
 * The desired set elements of a Service, a pure function of its arguments: the kernel state after any history of
 * changes is the union of this over all Services.
 */
export function serviceRules(service: Service, endpoints: ServiceEndpoints, node: NodeView): ServiceRules {
  if (whyIgnored(service, node) !== undefined) return NONE
  const frontends = new Map<FrontendKey, Elements>()
  const shared: Elements = new Map()
  const targets = new Map<FrontendKey, string>()
  const problems: Problem[] = []
  const noLocal = { ...NO_PORTS }
  for (const port of service.spec.ports) {
    const offered = frontendsOf(service, port, node.family, problems)
    if (offered.length === 0) continue
    const candidates = endpointsOfPort(endpoints, port).filter((endpoint) => endpoint.family === node.family)
    const choice = choose(selectEndpoints(candidates, node), problems, node)
    if (choice.local.length === 0 && choice.cluster.length > 0) {
      const policies = new Set(
        offered.map((frontend) => (policyOf(service, frontend) === 'Local' ? frontend.kind : '')),
      )
      if (policies.delete('clusterIP')) noLocal.internal++
      policies.delete('')
      if (policies.size > 0) noLocal.external++
    }
    for (const packed of choice.hairpin) shared.set(SETS.hairpin.code + packed + packed, '')
    for (const frontend of offered) {
      if (frontend.kind === 'clusterIP') shared.set(SETS.clusterIps.code + frontend.packed, '')
      const key = frontend.packed + packProtocol(port.protocol) + packPort(frontend.port)
      if (frontends.has(key)) continue
      const elements: Elements = new Map()
      frontendElements(elements, { service, port, frontend, key, choice, targets })
      if (frontend.kind === 'loadBalancer')
        firewallElements(elements, { service, frontend, key, node, problems })
      frontends.set(key, elements)
    }
  }
  return { frontends, shared, targets, problems, noLocal }
}

/** Endpoints as map values, in slot order. */
interface Choice {
  readonly cluster: readonly Bytes[]
  readonly local: readonly Bytes[]
  readonly hairpin: readonly Bytes[]
}

function choose(selection: Selection, problems: Problem[], node: NodeView): Choice {
  const hairpin: Bytes[] = []
  const pack = (endpoint: Endpoint): Bytes[] => {
    const address = packAddress(endpoint.address, node.family)
    if (address === undefined) {
      problems.push({ field: 'endpoints', message: `"${endpoint.address}" is not an IP address` })
      return []
    }
    if (endpoint.nodeName === node.nodeName) hairpin.push(address)
    return [address + packPort(endpoint.port)]
  }
  // numgen and the slots of policy Local leave room for 65536 endpoints.
  const cluster = selection.cluster.flatMap(pack).slice(0, LOCAL_SLOTS)
  const local = selection.local.flatMap(pack).slice(0, LOCAL_SLOTS)
  return { cluster, local, hairpin }
}

interface FrontendInput {
  readonly service: Service
  readonly port: ServicePort
  readonly frontend: Frontend
  readonly key: FrontendKey
  readonly choice: Choice
  readonly targets: Map<FrontendKey, string>
}

function frontendElements(elements: Elements, input: FrontendInput): void {
  const { service, frontend, key, choice } = input
  const byNodePort = frontend.kind === 'nodePort'
  const local = policyOf(service, frontend) === 'Local'
  const isInternal = frontend.kind === 'clusterIP'
  const usable = local ? choice.local.length : choice.cluster.length
  if (usable === 0) {
    const refused = byNodePort ? SETS.noEndpointNodePorts : SETS.noEndpointServices
    const dropped = byNodePort ? SETS.noLocalEndpointNodePorts : SETS.noLocalEndpointServices
    elements.set((choice.cluster.length === 0 ? refused : dropped).code + key, commentOf(input))
  }
  // Frontends with policy Local need their chain even without an endpoint here: traffic from this node's pods and the
  // node itself is short-circuited to the whole cluster.
  const shortCircuited = local && !isInternal && choice.cluster.length > 0
  if (usable === 0 && !shortCircuited) return
  const sticky = service.spec.sessionAffinity === 'ClientIP' ? service.spec.sessionAffinityTimeout : 0
  const kind: SharedChain['kind'] = isInternal ? 'cluster' : byNodePort ? 'nodeport' : 'external'
  const chain: SharedChain = {
    kind,
    local,
    count: local && isInternal ? choice.local.length : choice.cluster.length,
    localCount: local && !isInternal ? choice.local.length : 0,
    sticky,
  }
  const entry = byNodePort ? SETS.serviceNodePorts : SETS.serviceIps
  input.targets.set(key, chainName(chain))
  elements.set(entry.code + key, packMark(chainNumber(chain) ?? 0) + commentOf(input))
  if (!local || shortCircuited)
    slotElements(elements, { input, endpoints: choice.cluster, offset: 0, sticky })
  if (local) slotElements(elements, { input, endpoints: choice.local, offset: LOCAL_SLOTS, sticky })
}

function slotElements(
  elements: Elements,
  options: { input: FrontendInput; endpoints: readonly Bytes[]; offset: number; sticky: number },
): void {
  const { input, endpoints, offset, sticky } = options
  const byNodePort = input.frontend.kind === 'nodePort'
  const targets = (byNodePort ? SETS.nodePortEndpoints : SETS.endpoints).code + input.key
  if (sticky === 0) {
    endpoints.forEach((endpoint, index) => {
      elements.set(targets + packMark(offset + index), endpoint)
    })
    return
  }
  const names = (byNodePort ? SETS.stickyNodePortSlots : SETS.stickySlots).code + input.key
  endpoints.forEach((endpoint, index) => {
    const slot = stickySlot(endpoint, { offset, isTaken: (candidate) => elements.has(targets + candidate) })
    elements.set(names + packMark(offset + index), slot)
    elements.set(targets + slot, endpoint)
    // The fallback of a picking chain goes past affinity, to the plain slots.
    elements.set(targets + packMark(offset + index), endpoint)
  })
}

/**
 * A slot that names the endpoint rather than its position, so that clients keep their endpoint when others come and go,
 * and find none (and choose anew) when it is gone. The policy is part of the name: an entry learned under policy Cluster
 * must not lead traffic of policy Local off the node.
 */
function stickySlot(endpoint: Bytes, options: { offset: number; isTaken: (slot: Bytes) => boolean }): Bytes {
  for (let attempt = 0; ; attempt++) {
    const slot = packMark((hashOf(`${options.offset}/${attempt}/${endpoint}`) | STICKY_SLOTS) >>> 0)
    if (!options.isTaken(slot)) return slot
  }
}

function firewallElements(
  elements: Elements,
  options: { service: Service; frontend: Frontend; key: FrontendKey; node: NodeView; problems: Problem[] },
): void {
  const { service, frontend, key, node, problems } = options
  const ranges = allowedSources(service, frontend.packed, {
    family: node.family,
    nodeAddresses: node.addresses,
    problems,
  })
  if (ranges === undefined) return
  elements.set(SETS.firewallIps.code + key, '')
  for (const { first, last } of ranges) elements.set(SETS.firewallAllowed.code + key + first, key + last)
}

/** nft refuses to read comments longer than 128 bytes back, NUL included. */
const COMMENT_LIMIT = 127

function commentOf({ service, port }: FrontendInput): string {
  const { namespace, name } = service.metadata
  return `${namespace}/${name}${port.name === '' ? '' : `:${port.name}`}`.slice(0, COMMENT_LIMIT)
}

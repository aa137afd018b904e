import type { Protocol, Store } from '#watch'
import type { KubeProxyConfiguration } from '../config/configuration.ts'
import type { Family } from '../model/bytes.ts'
import type { FrontendKey } from '../model/service-rules.ts'
import type { Elements } from '../model/sets.ts'
import type { NodeState } from '../node-view.ts'
import { type Candidate, candidatesOf } from './candidates.ts'
import { type Client, findClient } from './client.ts'
import { findDestination } from './destination.ts'
import { TraceError } from './errors.ts'
import { type Step, walk } from './walk.ts'

export interface TraceRequest {
  /** `host`, a Pod (`name`, `namespace/name`) or an IP address */
  readonly from: string
  /** `SERVICE:PORT`, `NAMESPACE/SERVICE:PORT`, a DNS name and port, or `ADDRESS:PORT` */
  readonly to: string
  readonly protocol?: string | undefined
  /** '4' or '6': which of a Service's addresses is meant; by default its first */
  readonly family?: string | undefined
}

/** What happens to a new connection on this node. */
export interface Trace {
  readonly from: string
  readonly to: string
  readonly protocol: Protocol
  readonly resolution: string
  /** the Service whose frontend this is; '' if it is none's */
  readonly service: string
  /** translated; or rejected (refused at once), dropped (times out), untouched (no Service: routed as it is), ignored (not the proxy's) */
  readonly outcome: 'translated' | 'rejected' | 'dropped' | 'untouched' | 'ignored'
  readonly summary: string
  /** whether the endpoint sees the node's address instead of the client's */
  readonly masqueraded: 'yes' | 'no' | 'if it reaches itself'
  /** the rules that the first packet meets, in order */
  readonly steps: readonly Step[]
  /** every endpoint of the service port, and why it may or may not be chosen */
  readonly endpoints: readonly Candidate[]
}

export interface TraceContext {
  readonly store: Store
  readonly config: KubeProxyConfiguration
  readonly node: NodeState
  readonly programmed: (frontend: FrontendKey, family: Family) => Elements | undefined
  readonly targetOf: (frontend: FrontendKey, family: Family) => string | undefined
  readonly ownerOf: (frontend: FrontendKey, family: Family) => string | undefined
}

/** Follows the first packet of a connection through what is programmed. Throws TraceError if the question makes no sense. */
export function traceConnection(request: TraceRequest, context: TraceContext): Trace {
  const protocol = protocolOf(request.protocol ?? 'TCP')
  const { store } = context
  const family = familyOption(request.family)
  const namespace = request.from.includes('/')
    ? (request.from.split('/')[0] ?? '')
    : namespaceOf(request.from, context)
  const destination = findDestination(request.to, {
    store,
    protocol,
    namespace,
    family,
    identity: context.config,
  })
  if ('reason' in destination) {
    const { service, reason } = destination
    const nothing = { resolution: '', masqueraded: 'no' as const, steps: [], endpoints: [] }
    return {
      ...nothing,
      from: request.from,
      to: request.to,
      protocol,
      service,
      outcome: 'ignored',
      summary: reason,
    }
  }
  const client: Client = findClient(request.from, destination.family, context)
  const way = walk({ client, destination, protocol }, context)
  const { address, port, resolution } = destination
  return {
    from:
      client.address === ''
        ? client.name
        : `${client.name}${client.name === client.address ? '' : `, ${client.address}`}`,
    to: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    protocol,
    resolution,
    service: way.service ?? '',
    outcome: way.outcome,
    summary: way.summary,
    masqueraded: way.masqueraded,
    steps: way.steps,
    endpoints:
      way.service === undefined ? [] : candidatesOf({ ...way, client, destination, protocol }, context),
  }
}

function namespaceOf(from: string, { store }: TraceContext): string {
  return (
    [...store.list('Pod')].find(({ status }) => status.podIPs.includes(from))?.metadata.namespace ?? 'default'
  )
}

function protocolOf(text: string): Protocol {
  const upper = text.toUpperCase()
  if (upper === 'TCP' || upper === 'UDP' || upper === 'SCTP') return upper
  throw new TraceError(`protocol "${text}" is none of tcp, udp and sctp`)
}

function familyOption(text: string | undefined): Family | undefined {
  if (text === undefined || text === '') return undefined
  if (text === '4' || text === '6') return text === '4' ? 4 : 6
  throw new TraceError(`family "${text}" is neither 4 nor 6`)
}

import { type Endpoint, endpointsOfPort, type Protocol } from '#watch'
import { reasonOf } from '../describe.ts'
import { selectEndpoints } from '../model/selection.ts'
import type { Client } from './client.ts'
import type { Destination } from './destination.ts'
import type { TraceContext } from './trace.ts'
import type { Way } from './walk.ts'

/** An endpoint of the service port. */
export interface Candidate {
  readonly endpoint: string
  readonly pod: string
  readonly node: string
  readonly candidate: boolean
  readonly reason: string
}

/** Every endpoint of the port that was asked for, and whether this connection may be sent to it. */
export function candidatesOf(
  asked: Way & { client: Client; destination: Destination; protocol: Protocol },
  { store, node }: TraceContext,
): Candidate[] {
  const { service: key, pick, client, destination, protocol, byNodePort } = asked
  const service = key === undefined ? undefined : store.get('Service', key)
  if (key === undefined || service === undefined) return []
  const port = service.spec.ports.find(
    (candidate) =>
      candidate.protocol === protocol &&
      (byNodePort ? candidate.nodePort : candidate.port) === destination.port,
  )
  if (port === undefined) return []
  const { family } = destination
  const all = endpointsOfPort(store.endpoints.of(key), port).filter((endpoint) => endpoint.family === family)
  const selection = selectEndpoints(all, node.view(family))
  const chosen = pick === undefined ? [] : pick.local ? selection.local : selection.cluster
  const here = node.view(family).nodeName
  const row = (endpoint: Endpoint): Candidate => {
    const candidate = chosen.includes(endpoint)
    const usable = selection.cluster.includes(endpoint)
    const away = !candidate && usable && endpoint.nodeName !== here
    const itself = candidate && endpoint.address === client.address ? '; itself: masqueraded (hairpin)' : ''
    const state = reasonOf(
      endpoint,
      { cluster: usable, local: selection.local.includes(endpoint) },
      selection.topology,
    )
    return {
      endpoint:
        family === 6 ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`,
      pod: endpoint.podName ?? '',
      node: endpoint.nodeName ?? '',
      candidate,
      reason:
        away && asked.outcome !== 'rejected'
          ? 'not on this node, and the traffic policy is Local'
          : state + itself,
    }
  }
  return all.map(row)
}

// Why a connection works or fails, over all parts: the name (DNS), the Service (proxy), the endpoints (cache), and the
// way to each of them (overlay and kernel).
import { isIP } from 'node:net'
import type { Service, Store } from '#watch'
import { lookUp, type NameServer } from './names.ts'
import { contains, type OverlayFacts, type Way, type WayContext, wayTo } from './way.ts'

/** What the command line asks. */
export type ConnectionQuery = Readonly<Record<string, string>>

/** The proxy's part of the answer (#proxy's Trace), as far as it is read here. */
export interface ServiceTrace {
  readonly to: string
  readonly resolution: string
  readonly service: string
  readonly outcome: string
  readonly summary: string
  readonly endpoints: readonly {
    readonly endpoint: string
    readonly node: string
    readonly candidate: boolean
  }[]
}

export interface ConnectionContext extends Omit<WayContext, 'overlay'> {
  readonly store: Store
  readonly overlay: OverlayFacts | undefined
  readonly dns: NameServer | undefined
  /** throws an error with the code PROXY_TRACE for a name it does not know */
  readonly traceService: (query: ConnectionQuery) => ServiceTrace
}

export type ConnectionTrace = ServiceTrace & { readonly ways: readonly Way[] }

const mostHops = 4

/** Follows a connection from the name to the endpoints. */
export async function traceConnection(
  query: ConnectionQuery,
  context: ConnectionContext,
): Promise<ConnectionTrace> {
  const said: string[] = []
  let to = query['to'] ?? ''
  // An ExternalName is another name, which may be a Service's again.
  for (let hop = 0; hop < mostHops; hop += 1) {
    const { host, port } = split(to)
    const trace = isServiceName(host, context) ? context.traceService({ ...query, to }) : undefined
    if (trace === undefined) {
      const answer = await lookUp(host, query['family'] === '6' ? 6 : 4, context.dns)
      said.push(answer.said)
      const [address] = answer.addresses
      if (address === undefined) return unresolved(query, said)
      to = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
      continue
    }
    const service = trace.outcome === 'ignored' ? context.store.get('Service', trace.service) : undefined
    if (service?.spec.type === 'ExternalName') {
      said.push(`Service ${trace.service} is another name for ${service.spec.externalName}`)
      to = `${service.spec.externalName}:${port}`
      continue
    }
    const found = service === undefined ? trace : headless(trace, service, port, context)
    return judged(withResolution(found, said), context)
  }
  return unresolved(query, [...said, 'names lead to names without an end'])
}

function split(to: string): { host: string; port: string } {
  const colon = to.lastIndexOf(':')
  return colon < 0 ? { host: to, port: '' } : { host: to.slice(0, colon), port: to.slice(colon + 1) }
}

/** False for names that only DNS can tell about: outside names, host names of endpoints. */
function isServiceName(host: string, { store }: ConnectionContext): boolean {
  if (host.startsWith('[') || host.includes('/') || isIP(host) !== 0) return true
  const [first = '', second, third] = host.replace(/\.$/, '').split('.')
  if (second === undefined) return true
  return third === undefined ? store.get('Service', `${second}/${first}`) !== undefined : third === 'svc'
}

function withResolution(trace: ServiceTrace, said: readonly string[]): ServiceTrace {
  const resolution = [...said, trace.resolution].filter((text) => text !== '').join('; ')
  return { ...trace, resolution }
}

function unresolved(query: ConnectionQuery, said: readonly string[]): ConnectionTrace {
  const { from = '', to = '' } = query
  return {
    ...{ from, to, protocol: query['protocol']?.toUpperCase() ?? 'TCP', masqueraded: 'no', steps: [] },
    ...{ resolution: said.slice(0, -1).join('; '), service: '', endpoints: [], ways: [] },
    outcome: 'unresolved',
    summary: said.at(-1) ?? '',
  }
}

/** A headless Service is none of the proxy's: DNS gives the addresses of its pods. */
function headless(
  trace: ServiceTrace,
  service: Service,
  port: string,
  { store }: ConnectionContext,
): ServiceTrace {
  const { addresses } = store.endpoints.of(trace.service)
  const endpoints = addresses.map(({ address, family, ready, terminating, podName, nodeName }) => ({
    endpoint: family === 6 ? `[${address}]:${port}` : `${address}:${port}`,
    pod: podName ?? '',
    node: nodeName ?? '',
    candidate: ready,
    reason: ready ? 'ready' : `${terminating ? 'terminating' : 'not ready'}: DNS leaves it out`,
  }))
  const ready = endpoints.filter(({ candidate }) => candidate).length
  const kind = service.spec.clusterIP === 'None' ? 'headless' : 'without a ClusterIP'
  const summary =
    ready === 0
      ? `${kind}, and no pod is ready: DNS answers without addresses`
      : `${kind}: DNS gives the addresses of ${ready} ready pod${ready === 1 ? '' : 's'}, the connection goes to one directly`
  return { ...trace, outcome: ready === 0 ? 'unresolved' : 'direct', summary, endpoints }
}

/** Adds the way to each address that the packets may go to, and says in the summary if some are cut off. */
function judged(trace: ServiceTrace, context: ConnectionContext): ConnectionTrace {
  const candidates = trace.endpoints.filter(({ candidate }) => candidate)
  const targets =
    trace.outcome === 'untouched'
      ? [{ endpoint: trace.to, node: '' }]
      : trace.outcome === 'rejected'
        ? []
        : candidates
  const ways = targets.map(({ endpoint, node }) => {
    const address = split(endpoint).host.replace(/^\[|\]$/g, '')
    return wayTo(address, context, node === '' ? undefined : node)
  })
  const cut = ways.filter(({ problem }) => problem !== '').length
  const summary = [trace.summary, unowned(trace, ways, context), cutOff(cut, ways.length)]
  return { ...trace, summary: summary.filter((text) => text !== '').join('; '), ways }
}

function cutOff(cut: number, of: number): string {
  if (cut === 0) return ''
  if (of === 1) return 'it cannot be reached'
  return cut === of ? 'none of them can be reached' : `${cut} of ${of} cannot be reached`
}

/** An address of the Service network that no Service has is a frequent mistake after a Service was made anew. */
function unowned({ outcome, to }: ServiceTrace, ways: readonly Way[], { store }: ConnectionContext): string {
  const [way] = ways
  if (outcome !== 'untouched' || way === undefined || way.owner !== '') return ''
  for (const { metadata, spec } of store.list('ServiceCIDR'))
    if (spec.cidrs.some((cidr) => contains(cidr, way.address)))
      return `${to} is in ServiceCIDR ${metadata.name}, but no Service has it`
  return ''
}

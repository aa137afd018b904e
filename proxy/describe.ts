import { type Endpoint, endpointsOfPort, type Service, type ServiceEndpoints } from '#watch'
import { type Family, familyOf } from './model/bytes.ts'
import { clusterIPsOf, frontendsOf, type Problem, policyOf } from './model/frontends.ts'
import { whyIgnored } from './model/handled.ts'
import { selectEndpoints } from './model/selection.ts'
import type { NodeView } from './model/service-rules.ts'

/** One port of a Service in one family, as `plexus get services` shows it. */
export interface ServiceRow {
  readonly service: string
  readonly port: string
  readonly family: 'IPv4' | 'IPv6'
  readonly type: string
  /** where it is offered: `10.96.0.10:53`, `*:30080` for node ports */
  readonly frontends: readonly string[]
  readonly endpoints: number
  /** those on this node, if a traffic policy is Local */
  readonly localEndpoints: number | undefined
  readonly affinity: string
  /** programmed, ignored, or refused (by the kernel, the previous rules stay) */
  readonly state: 'programmed' | 'ignored' | 'refused'
  readonly detail: string
}

/** One endpoint of a service port, and whether this node sends connections there. */
export interface EndpointRow {
  readonly service: string
  readonly port: string
  readonly endpoint: string
  readonly node: string
  readonly used: boolean
  readonly reason: string
}

export interface DescribeContext {
  readonly view: (family: Family) => NodeView
  /** what the kernel said when it refused the Service */
  readonly refused: (service: string, family: Family) => string | undefined
  /** the Service that has a frontend of this one instead, as sentences */
  readonly conflicts: (service: string, family: Family) => readonly string[]
}

export function serviceRows(
  service: Service,
  endpoints: ServiceEndpoints,
  context: DescribeContext,
): ServiceRow[] {
  const name = `${service.metadata.namespace}/${service.metadata.name}`
  const ignored = whyIgnored(service, context.view(4))
  const rows: ServiceRow[] = []
  for (const port of service.spec.ports) {
    for (const family of familiesOf(service)) {
      const problems: Problem[] = []
      const frontends = ignored === undefined ? frontendsOf(service, port, family, problems) : []
      const candidates = endpointsOfPort(endpoints, port).filter((endpoint) => endpoint.family === family)
      const selection = selectEndpoints(candidates, context.view(family))
      const hasLocal = frontends.some((frontend) => policyOf(service, frontend) === 'Local')
      const refused = context.refused(name, family)
      const notes = [
        ...context.conflicts(name, family),
        ...problems.map(({ field, message }) => `${field}: ${message}`),
      ]
      rows.push({
        service: name,
        port: portText(port),
        family: family === 4 ? 'IPv4' : 'IPv6',
        type: service.spec.type,
        frontends: frontends.map(({ kind, address, port: number }) =>
          kind === 'nodePort' ? `*:${number}` : hostPort(address, number),
        ),
        endpoints: selection.cluster.length,
        localEndpoints: hasLocal ? selection.local.length : undefined,
        affinity:
          service.spec.sessionAffinity === 'ClientIP'
            ? `ClientIP ${service.spec.sessionAffinityTimeout}s`
            : '',
        state: ignored !== undefined ? 'ignored' : refused !== undefined ? 'refused' : 'programmed',
        detail: ignored ?? refused ?? notes.join('; '),
      })
    }
  }
  return rows
}

export function endpointRows(
  service: Service,
  endpoints: ServiceEndpoints,
  context: DescribeContext,
): EndpointRow[] {
  if (whyIgnored(service, context.view(4)) !== undefined) return []
  const rows: EndpointRow[] = []
  for (const port of service.spec.ports) {
    for (const family of familiesOf(service)) {
      const view = context.view(family)
      const candidates = endpointsOfPort(endpoints, port).filter((endpoint) => endpoint.family === family)
      const selection = selectEndpoints(candidates, view)
      for (const endpoint of candidates) {
        const cluster = selection.cluster.includes(endpoint)
        const local = selection.local.includes(endpoint)
        rows.push({
          service: `${service.metadata.namespace}/${service.metadata.name}`,
          port: portText(port),
          endpoint: hostPort(endpoint.address, endpoint.port),
          node: endpoint.nodeName ?? '',
          used: cluster || (local && usesLocal(service)),
          reason: reasonOf(endpoint, { cluster, local }, selection.topology),
        })
      }
    }
  }
  return rows
}

/** Why an endpoint is used or not, in words. */
export function reasonOf(
  endpoint: Endpoint,
  chosen: { readonly cluster: boolean; readonly local: boolean },
  topology: 'PreferSameNode' | 'PreferSameZone' | 'none',
): string {
  if (chosen.cluster || chosen.local) {
    const state = endpoint.ready ? 'ready' : 'terminating, and no other is ready'
    return chosen.cluster ? state : `${state}; only for traffic policy Local`
  }
  if (endpoint.ready) return `topology ${topology} prefers others`
  if (endpoint.serving && endpoint.terminating) return 'terminating while others are ready'
  return endpoint.terminating ? 'terminating and not serving' : 'not ready'
}

function usesLocal({ spec }: Service): boolean {
  return spec.internalTrafficPolicy === 'Local' || spec.externalTrafficPolicy === 'Local'
}

function familiesOf(service: Service): Family[] {
  return [
    ...new Set(
      clusterIPsOf(service)
        .filter((address) => address !== '')
        .map(familyOf),
    ),
  ]
}

function portText(port: { readonly name: string; readonly port: number; readonly protocol: string }): string {
  return `${port.name === '' ? '' : `${port.name} `}${port.port}/${port.protocol}`
}

function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

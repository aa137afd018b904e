import type { Service, ServicePort } from '#watch'
import { type Bytes, type Family, familyOf, packAddress } from './bytes.ts'

/** An address under which a service port is offered. */
export interface Frontend {
  readonly kind: 'clusterIP' | 'externalIP' | 'loadBalancer' | 'nodePort'
  /** '' for node ports: they have no address of their own */
  readonly address: string
  readonly packed: Bytes
  readonly port: number
}

export interface Problem {
  readonly field: string
  readonly message: string
}

/** Where one port of a Service is reachable in one family. An unusable address is reported and left out. */
export function frontendsOf(
  service: Service,
  port: ServicePort,
  family: Family,
  problems: Problem[],
): Frontend[] {
  const { spec } = service
  const frontends: Frontend[] = []
  const add = (kind: Frontend['kind'], field: string, address: string): void => {
    if (familyOf(address) !== family) return
    const packed = packAddress(address, family)
    if (packed === undefined) problems.push({ field, message: `"${address}" is not an IP address` })
    else frontends.push({ kind, address, packed, port: port.port })
  }
  clusterIPsOf(service).forEach((address, index) => {
    add('clusterIP', `spec.clusterIPs[${index}]`, address)
  })
  if (frontends.length === 0) return frontends
  spec.externalIPs.forEach((address, index) => {
    add('externalIP', `spec.externalIPs[${index}]`, address)
  })
  if (spec.type === 'LoadBalancer') {
    service.status.loadBalancer.ingress.forEach(({ ip, ipMode }, index) => {
      if (ip !== '' && ipMode === 'VIP') add('loadBalancer', `status.loadBalancer.ingress[${index}].ip`, ip)
    })
  }
  if (port.nodePort > 0 && (spec.type === 'NodePort' || spec.type === 'LoadBalancer')) {
    frontends.push({ kind: 'nodePort', address: '', packed: '', port: port.nodePort })
  }
  return frontends
}

export function clusterIPsOf(service: Service): readonly string[] {
  const { clusterIPs, clusterIP } = service.spec
  return clusterIPs.length > 0 ? clusterIPs : [clusterIP]
}

/** How connections to a frontend are treated. */
export function policyOf(service: Service, frontend: Frontend): 'Cluster' | 'Local' {
  return frontend.kind === 'clusterIP'
    ? service.spec.internalTrafficPolicy
    : service.spec.externalTrafficPolicy
}

import type { Service } from '#watch'
import { addressFamily } from '../../wire/index.ts'
import type { ServiceEntry } from '../kubernetes/entry.ts'

/** Where a Service is reached from outside, for one of its ports. */
export interface ExternalTarget {
  readonly kind: 'address' | 'name'
  readonly host: string
  readonly port: number
  readonly portName: string
  readonly protocol: string
  /** host name of an endpoint of a headless Service, else '' */
  readonly endpoint: string
}

/** External hosts by port; with `entry`, endpoints of headless Services that have no external address. */
export function externalTargets(
  service: Service,
  hosts: readonly string[],
  entry: ServiceEntry | undefined,
): ExternalTarget[] {
  if (hosts.length === 0) {
    return (entry?.endpoints ?? []).map(({ address, port, portName, protocol, host }) => ({
      kind: 'address' as const,
      host: address,
      port,
      portName,
      protocol,
      endpoint: host,
    }))
  }
  return hosts.flatMap((host) =>
    service.spec.ports.map(({ port, name, protocol }) => ({
      kind: addressFamily(host) === undefined ? ('name' as const) : ('address' as const),
      host,
      port,
      portName: name.toLowerCase(),
      protocol: protocol.toLowerCase(),
      endpoint: '',
    })),
  )
}

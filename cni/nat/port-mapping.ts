import { isIP } from 'node:net'
import type { Fields } from '#ipam'
import { CniError, cniCodes } from '../protocol/errors.ts'

/** One published port of a pod (runtimeConfig.portMappings). */
export interface PortMapping {
  readonly hostPort: number
  readonly containerPort: number
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  /** Only this address of the host; absent: every one. */
  readonly hostIP?: string | undefined
}

/** Reads the portMappings capability. Entries with hostPort 0 publish nothing (kubelet's "no host port"). */
export function readPortMappings(fields: Fields): PortMapping[] {
  const entries = fields.object('runtimeConfig')?.objects('portMappings') ?? []
  return entries.flatMap((entry): PortMapping[] => {
    const containerPort = readPort(entry, 'containerPort')
    if (entry.integer('hostPort') === 0) return []
    const hostPort = readPort(entry, 'hostPort')
    const protocol = (entry.string('protocol') ?? 'tcp').toLowerCase()
    if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
      throw invalid(`${entry.path}.protocol: unknown protocol "${protocol}"`)
    }
    const hostIP = entry.string('hostIP')
    if (hostIP !== undefined && hostIP !== '' && isIP(hostIP) === 0) {
      throw invalid(`${entry.path}.hostIP: invalid IP address: ${hostIP}`)
    }
    return [{ hostPort, containerPort, protocol, hostIP: hostIP === '' ? undefined : hostIP }]
  })
}

/** Whether a mapping concerns pods of this family, and for which host address (undefined: any). */
export function mappingForFamily(
  { hostIP }: PortMapping,
  family: 4 | 6,
): { applies: boolean; hostIP?: string | undefined } {
  if (hostIP === undefined) return { applies: true }
  const own = isIP(hostIP) === family
  const any = hostIP === '0.0.0.0' || /^[0:]+$/.test(hostIP)
  return { applies: own, hostIP: any ? undefined : hostIP }
}

function readPort(entry: Fields, name: string): number {
  const port = entry.integer(name)
  if (port !== undefined && port > 0 && port < 65536) return port
  throw invalid(`Invalid ${name === 'hostPort' ? 'host' : 'container'} port number: ${port ?? 0}`)
}

function invalid(message: string): CniError {
  return new CniError(cniCodes.internal, message)
}

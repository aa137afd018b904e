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

/** `none`: sources are kept (snat false). `local`: pods of the bridge and the node itself. `all`: masqAll. */
export type MasqueradeSources = 'none' | 'local' | 'all'

/** Bit of the mark for packets to masquerade; see `hairpinMark`. */
const masqueradeBit = 13

/** Reads the other keys of the reference portmap plugin; those that cannot be honoured are refused by name. */
export function readMasqueradeSources(fields: Fields): MasqueradeSources {
  const backend = fields.string('backend') ?? ''
  if (!['', 'iptables', 'nftables'].includes(backend)) throw invalid(`unrecognized backend "${backend}"`)
  const bit = fields.integer('markMasqBit')
  const chain = fields.string('externalSetMarkChain') ?? ''
  if (chain !== '' && bit !== undefined) {
    throw invalid('Cannot specify externalSetMarkChain and markMasqBit')
  }
  if (bit !== undefined && (bit < 0 || bit > 31)) throw invalid('MasqMarkBit must be between 0 and 31')
  if (bit !== undefined && bit !== masqueradeBit) {
    throw unsupported(
      'markMasqBit',
      bit,
      `the mark is bit ${masqueradeBit}, from the lookup of a port to the masquerading`,
    )
  }
  if (chain !== '') throw unsupported('externalSetMarkChain', chain, 'there are no iptables chains here')
  for (const name of ['conditionsV4', 'conditionsV6']) {
    const conditions = fields.list(name) ?? []
    if (conditions.length > 0) {
      throw unsupported(name, conditions, 'name the addresses to publish on with hostIP instead')
    }
  }
  if (fields.boolean('snat') === false) return 'none'
  return fields.boolean('masqAll') === true ? 'all' : 'local'
}

function unsupported(name: string, value: unknown, hint: string): CniError {
  return new CniError(
    cniCodes.unsupportedField,
    `unsupported field ${name}=${JSON.stringify(value)}: ${hint}`,
  )
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

import { readFileSync } from 'node:fs'
import { formatAddress, formatSubnet, networkOf, parseSubnet } from '#ipam'
import { CniError, cniCodes } from './protocol/errors.ts'

/** What the overlay says about this node: flannel's subnet.env. */
export interface NodeSubnet {
  /** The node's own pod networks, one per family, as network CIDRs. */
  readonly subnets: readonly string[]
  /** The cluster's pod networks: never masqueraded. */
  readonly clusterNetworks: readonly string[]
  readonly mtu?: number | undefined
  /** FLANNEL_IPMASQ: the overlay masquerades itself. */
  readonly masqueraded: boolean
}

/**
 * Reads the overlay's subnet file. While it is missing the node has no lease yet: code 11, try again later. The
 * overlay replaces the file by rename, so what is read is whole.
 */
export function readSubnetFile(path: string): NodeSubnet {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw tryAgain(
      path,
      `cannot be read (${(error as NodeJS.ErrnoException).code ?? error}): the overlay on this node has not got its subnet yet, or does not run`,
      error,
    )
  }
  const values = new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const equals = line.indexOf('=')
      return equals > 0 ? [[line.slice(0, equals).trim(), line.slice(equals + 1).trim()]] : []
    }),
  )
  const list = (name: string): string[] => (values.get(name) ?? '').split(',').filter((item) => item !== '')
  const network = (name: string, cidr: string): string => {
    const subnet = parseSubnet(cidr)
    if (subnet === undefined) throw tryAgain(path, `${name}=${cidr} is not a network`)
    return formatSubnet({ ...subnet, address: networkOf(subnet) })
  }
  const networks = (name: string): string[] => list(name).map((cidr) => network(name, cidr))
  const subnets = [...networks('FLANNEL_SUBNET'), ...networks('FLANNEL_IPV6_SUBNET')]
  if (subnets.length === 0) throw tryAgain(path, 'names neither FLANNEL_SUBNET nor FLANNEL_IPV6_SUBNET')
  const mtu = values.get('FLANNEL_MTU')
  if (mtu !== undefined && !/^\d{3,5}$/.test(mtu)) throw tryAgain(path, `FLANNEL_MTU=${mtu} is not a number`)
  return {
    subnets,
    clusterNetworks: [...networks('FLANNEL_NETWORK'), ...networks('FLANNEL_IPV6_NETWORK')],
    mtu: mtu === undefined ? undefined : Number(mtu),
    masqueraded: values.get('FLANNEL_IPMASQ') === 'true',
  }
}

/** The gateway flannel's address stands for: the subnet's first address. */
export function gatewayOf(cidr: string): string | undefined {
  const subnet = parseSubnet(cidr)
  if (subnet === undefined) return undefined
  const network = networkOf(subnet)
  return formatAddress({ ...network, value: network.value + 1n })
}

function tryAgain(path: string, problem: string, cause?: unknown): CniError {
  return new CniError(cniCodes.tryAgainLater, `subnet file ${path} ${problem}`, { cause })
}

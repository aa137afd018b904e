import { formatSubnet, networkOf, parseSubnet } from '#ipam'
import { concat, type NftElement, packIfname, packIPv4, packIPv6, packPort, packProto } from '#netlink'
import type { AttachmentKey } from '../attachment.ts'
import { familyOf } from '../protocol/result.ts'
import { commentOf, type Family, masqueradeChain, sets } from './names.ts'
import { mappingForFamily } from './port-mapping.ts'
import type { Publication } from './publish.ts'

/** Elements of one set. */
export interface SetElements {
  readonly set: string
  readonly elements: readonly NftElement[]
}

export function packAddressOf(family: Family, address: string): Uint8Array {
  return family === 4 ? packIPv4(address) : packIPv6(address)
}

/** Networks that pods with this address reach as themselves: their own and the cluster's. */
export function exemptNetworks({ clusterNetworks }: Publication, cidr: string): string[] {
  const subnet = parseSubnet(cidr)
  const own = subnet === undefined ? cidr : formatSubnet({ ...subnet, address: networkOf(subnet) })
  return [
    own,
    ...clusterNetworks.filter((network) => familyOf(network) === familyOf(cidr) && network !== own),
  ]
}

/** What a pod adds to the sets of one family's table. */
export function elementsOf(key: AttachmentKey, publication: Publication, family: Family): SetElements[] {
  const ips = publication.ips.filter(({ address }) => familyOf(address) === family)
  const comment = commentOf(key)
  const masquerade: NftElement[] = []
  if (publication.ipMasq) {
    for (const { address } of ips) {
      const chain = masqueradeChain(exemptNetworks(publication, address))
      masquerade.push({
        key: packAddressOf(family, hostOf(address)),
        data: { verdict: 'goto', chain },
        comment,
      })
    }
  }
  const [first] = ips
  return [
    { set: sets.masquerade, elements: masquerade },
    ...portElements(publication, family, first?.address, comment),
  ]
}

function portElements(
  { portMappings, bridge, masqueradeSources = 'local' }: Publication,
  family: Family,
  cidr: string | undefined,
  comment: string,
): SetElements[] {
  const any: NftElement[] = []
  const one: NftElement[] = []
  if (cidr !== undefined) {
    for (const mapping of portMappings) {
      const { applies, hostIP } = mappingForFamily(mapping, family)
      if (!applies) continue
      const port = [packProto(mapping.protocol), packPort(mapping.hostPort)]
      const data = concat(packAddressOf(family, hostOf(cidr)), packPort(mapping.containerPort))
      if (hostIP === undefined) any.push({ key: concat(...port), data, comment })
      else one.push({ key: concat(packAddressOf(family, hostIP), ...port), data, comment })
    }
  }
  const withoutData = ({ key }: NftElement): NftElement => ({ key, comment })
  const used = any.length + one.length > 0 && bridge !== ''
  return [
    { set: sets.hostports, elements: any },
    { set: sets.hostportKeys, elements: masqueradeSources === 'local' ? any.map(withoutData) : [] },
    { set: sets.masqueradedHostports, elements: masqueradeSources === 'all' ? any.map(withoutData) : [] },
    { set: sets.hostipHostports, elements: one },
    { set: sets.hostipHostportKeys, elements: masqueradeSources === 'local' ? one.map(withoutData) : [] },
    {
      set: sets.masqueradedHostipHostports,
      elements: masqueradeSources === 'all' ? one.map(withoutData) : [],
    },
    { set: sets.bridges, elements: used ? [{ key: packIfname(bridge) }] : [] },
  ]
}

export function hostOf(cidr: string): string {
  return cidr.split('/')[0] ?? cidr
}

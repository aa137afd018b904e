import { formatAddress, formatMac, packAddress, packMac } from '../address.ts'
import { attributesOf, type Message, readU8, readU16, readU32 } from '../codec/reader.ts'
import type { MessageWriter } from '../codec/writer.ts'
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  familyNumber,
  NDMSG,
  NEIGHBOUR_STATES,
  neighbourStateName,
} from './constants.ts'
import type { AddressFamily, FdbEntry, FdbSpec, Neighbour, NeighbourSpec } from './types.ts'

const NDA_DST = 1
const NDA_LLADDR = 2
const NDA_VLAN = 5
const NDA_IFINDEX = 8
const NDA_MASTER = 9

const NTF_SELF = 0x02
const NTF_MASTER = 0x04
const NTF_PROXY = 0x08

function writeNdmsg(
  writer: MessageWriter,
  header: { family: number; index?: number; state?: number; flags?: number },
): void {
  writer.u8(header.family)
  writer.zeros(3)
  writer.u32(header.index ?? 0)
  writer.u16(header.state ?? 0)
  writer.u8(header.flags ?? 0)
  writer.u8(0)
}

/** Body of RTM_NEWNEIGH and RTM_DELNEIGH for the neighbour tables. */
export function writeNeighbour(writer: MessageWriter, spec: NeighbourSpec): void {
  const address = packAddress(spec.address)
  const state = NEIGHBOUR_STATES[spec.state ?? 'permanent']
  writeNdmsg(writer, { family: address.length === 4 ? AF_INET : AF_INET6, index: spec.index, state })
  writer.attrBytes(NDA_DST, address)
  if (spec.mac !== undefined) writer.attrBytes(NDA_LLADDR, packMac(spec.mac))
}

/** Body of the RTM_GETNEIGH dump. */
export function writeNeighbourDump(
  writer: MessageWriter,
  filter: { index?: number | undefined; family?: AddressFamily | undefined },
): void {
  writeNdmsg(writer, { family: filter.family === undefined ? 0 : familyNumber(filter.family) })
  if (filter.index !== undefined) writer.attrU32(NDA_IFINDEX, filter.index)
}

/** Decodes RTM_NEWNEIGH or RTM_DELNEIGH of the neighbour tables; undefined for other families. */
export function decodeNeighbour(message: Message): Neighbour | undefined {
  const attributes = attributesOf(message, NDMSG)
  const family = readU8(message.bytes, message.body)
  const address = attributes.bytes(NDA_DST)
  if ((family !== AF_INET && family !== AF_INET6) || address === undefined) return undefined
  const mac = attributes.bytes(NDA_LLADDR)
  return {
    index: readU32(message.bytes, message.body + 4),
    family: family === AF_INET ? 4 : 6,
    address: formatAddress(address),
    mac: mac === undefined ? undefined : formatMac(mac),
    state: neighbourStateName(readU16(message.bytes, message.body + 8)),
    proxy: (readU8(message.bytes, message.body + 10) & NTF_PROXY) !== 0,
  }
}

/** Body of RTM_NEWNEIGH and RTM_DELNEIGH for a forwarding database (AF_BRIDGE). */
export function writeFdb(writer: MessageWriter, spec: FdbSpec): void {
  const flags = spec.owner === 'master' ? NTF_MASTER : NTF_SELF
  const state = NEIGHBOUR_STATES[spec.state ?? 'permanent']
  writeNdmsg(writer, { family: AF_BRIDGE, index: spec.index, state, flags })
  writer.attrBytes(NDA_LLADDR, packMac(spec.mac))
  if (spec.destination !== undefined) writer.attrBytes(NDA_DST, packAddress(spec.destination))
  if (spec.vlan !== undefined) writer.attrU16(NDA_VLAN, spec.vlan)
}

/** Body of the FDB dump; `index` is the device whose own entries are wanted. */
export function writeFdbDump(writer: MessageWriter, index: number | undefined): void {
  writeNdmsg(writer, { family: AF_BRIDGE, index: index ?? 0 })
}

/** Decodes RTM_NEWNEIGH of a forwarding database. */
export function decodeFdb(message: Message): FdbEntry | undefined {
  const attributes = attributesOf(message, NDMSG)
  if (readU8(message.bytes, message.body) !== AF_BRIDGE) return undefined
  const destination = attributes.bytes(NDA_DST)
  return {
    index: readU32(message.bytes, message.body + 4),
    mac: formatMac(attributes.bytes(NDA_LLADDR)),
    destination: destination === undefined ? undefined : formatAddress(destination),
    vlan: attributes.u16(NDA_VLAN),
    master: attributes.u32(NDA_MASTER),
    state: neighbourStateName(readU16(message.bytes, message.body + 8)),
    self: (readU8(message.bytes, message.body + 10) & NTF_SELF) !== 0,
  }
}

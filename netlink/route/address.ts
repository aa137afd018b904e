import { formatAddress, packAddress, parsePrefix } from '../address.ts'
import { attributesOf, type Message, readU8, readU32 } from '../codec/reader.ts'
import type { MessageWriter } from '../codec/writer.ts'
import { AF_INET, familyNumber, IFADDRMSG, SCOPES, scopeName } from './constants.ts'
import type { Address, AddressFamily, AddressSpec } from './types.ts'

const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_LABEL = 3
const IFA_BROADCAST = 4
const IFA_FLAGS = 8

const IFA_F_TEMPORARY = 0x01
const IFA_F_NODAD = 0x02
const IFA_F_DADFAILED = 0x08
const IFA_F_DEPRECATED = 0x20
const IFA_F_TENTATIVE = 0x40
const IFA_F_PERMANENT = 0x80
const IFA_F_NOPREFIXROUTE = 0x200

/** Body of RTM_NEWADDR and RTM_DELADDR. */
export function writeAddress(writer: MessageWriter, spec: AddressSpec): void {
  const prefix = parsePrefix(spec.address)
  const flags =
    (spec.noDad === true ? IFA_F_NODAD : 0) | (spec.noPrefixRoute === true ? IFA_F_NOPREFIXROUTE : 0)
  writer.u8(familyNumber(prefix.family))
  writer.u8(prefix.length)
  writer.u8(flags)
  writer.u8(SCOPES[spec.scope ?? (prefix.bytes[0] === 127 && prefix.family === 4 ? 'host' : 'global')])
  writer.u32(spec.index)
  writer.attrBytes(IFA_LOCAL, prefix.bytes)
  writer.attrBytes(IFA_ADDRESS, prefix.bytes)
  if (spec.broadcast !== undefined) writer.attrBytes(IFA_BROADCAST, packAddress(spec.broadcast))
  if (flags !== 0) writer.attrU32(IFA_FLAGS, flags)
}

/** Body of the RTM_GETADDR dump; the kernel filters (NETLINK_GET_STRICT_CHK). */
export function writeAddressDump(
  writer: MessageWriter,
  filter: { index?: number | undefined; family?: AddressFamily | undefined },
): void {
  writer.u8(filter.family === undefined ? 0 : familyNumber(filter.family))
  writer.zeros(3)
  writer.u32(filter.index ?? 0)
}

/** Decodes RTM_NEWADDR or RTM_DELADDR; undefined for families other than IPv4 and IPv6. */
export function decodeAddress(message: Message): Address | undefined {
  const attributes = attributesOf(message, IFADDRMSG)
  const family = readU8(message.bytes, message.body)
  const address = attributes.bytes(IFA_ADDRESS)
  const local = attributes.bytes(IFA_LOCAL) ?? address
  if (local === undefined || (local.length !== 4 && local.length !== 16)) return undefined
  const broadcast = attributes.bytes(IFA_BROADCAST)
  const flags = attributes.u32(IFA_FLAGS) ?? readU8(message.bytes, message.body + 2)
  const text = formatAddress(local)
  const peer = address === undefined ? text : formatAddress(address)
  return {
    index: readU32(message.bytes, message.body + 4),
    family: family === AF_INET ? 4 : 6,
    address: text,
    prefixLength: readU8(message.bytes, message.body + 1),
    peer: peer === text ? undefined : peer,
    broadcast: broadcast === undefined ? undefined : formatAddress(broadcast),
    label: attributes.string(IFA_LABEL),
    scope: scopeName(readU8(message.bytes, message.body + 3)),
    permanent: (flags & IFA_F_PERMANENT) !== 0,
    temporary: (flags & IFA_F_TEMPORARY) !== 0,
    deprecated: (flags & IFA_F_DEPRECATED) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
  }
}

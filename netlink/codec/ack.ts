import { NetlinkFormatError } from '../errors.ts'
import { Attributes, type Message, readU32 } from './reader.ts'
import { nameAttribute, type Schema } from './schema.ts'

const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200
const NLMSG_DONE = 3

const NLMSGERR_ATTR_MSG = 1
const NLMSGERR_ATTR_OFFS = 2
const NLMSGERR_ATTR_MISS_TYPE = 5
const NLMSGERR_ATTR_MISS_NEST = 6

/** What the kernel says in an NLMSG_ERROR (or in the NLMSG_DONE of a dump) beyond the errno. */
export interface ExtendedAck {
  /** The kernel's own words. */
  readonly text?: string | undefined
  /** Offset of the offending attribute in the request, from its nlmsghdr. */
  readonly offset?: number | undefined
  /** Type of an attribute that is missing, and the offset of the nest it is missing in (0: top level). */
  readonly missing?: { readonly type: number; readonly nest: number } | undefined
}

/** Reads the extended ack of an error message; needs NETLINK_EXT_ACK on the socket. */
export function extendedAck(message: Message): ExtendedAck {
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return {}
  // The error code, then (errors only) the header of the request, or all of the request unless it was capped.
  let start = message.body + 4
  if (message.type !== NLMSG_DONE) {
    const quoted = (message.flags & NLM_F_CAPPED) !== 0 ? 16 : readU32(message.bytes, start)
    start += (quoted + 3) & ~3
  }
  if (start > message.end)
    throw new NetlinkFormatError('an error message without the attributes it announces')
  const attributes = new Attributes(message.bytes, start, message.end)
  const missing = attributes.u32(NLMSGERR_ATTR_MISS_TYPE)
  return {
    text: attributes.string(NLMSGERR_ATTR_MSG),
    offset: attributes.u32(NLMSGERR_ATTR_OFFS),
    missing:
      missing === undefined
        ? undefined
        : { type: missing, nest: attributes.u32(NLMSGERR_ATTR_MISS_NEST) ?? 0 },
  }
}

/** Name of the attribute an error is about and the kernel's words, for the request that was sent. */
export function describeError(
  message: Message,
  sent: { bytes: Uint8Array; start: number; end: number; header: number },
  schema: Schema,
): { attribute?: string | undefined; detail?: string | undefined } {
  const ack = extendedAck(message)
  if (ack.missing !== undefined) {
    const nest =
      ack.missing.nest === 0 ? undefined : nameAttribute(sent.bytes, sent, ack.missing.nest, schema)
    const name = schema.names[ack.missing.type] ?? `#${ack.missing.type}`
    return {
      attribute: nest === undefined ? name : `${nest}.#${ack.missing.type}`,
      detail: ack.text ?? 'missing',
    }
  }
  const attribute =
    ack.offset === undefined || ack.offset === 0
      ? undefined
      : nameAttribute(sent.bytes, sent, ack.offset, schema)
  return { attribute, detail: ack.text }
}

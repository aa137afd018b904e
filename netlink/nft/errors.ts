import { describeError, extendedAck } from '../codec/ack.ts'
import { type Message, readU16, readU32 } from '../codec/reader.ts'
import { describeErrno, NetlinkError } from '../errors.ts'
import { NFGENMSG } from './constants.ts'
import type { SentMessage } from './encode.ts'
import { rangeWidth } from './encode-element.ts'
import { NFT_SCHEMAS } from './schema.ts'
import { describeElement, describeOperation } from './text.ts'
import type { NftElement, NftFailure, NftSetSpec } from './types.ts'

/** Errors of the validation of chains: not allowed from that hook, too deep or a loop. */
const VALIDATION = new Set(['EOPNOTSUPP', 'EMLINK', 'ELOOP'])

/**
 * The kernel refused a batch: nothing of it was applied. `failures` says for every refused message what it was for;
 * `code`, `errno` and `attribute` are those of the first.
 */
export class NftError extends NetlinkError {
  readonly failures: readonly NftFailure[]

  constructor(
    failures: readonly NftFailure[],
    first: { errno: number; attribute?: string; detail?: string },
  ) {
    const [one] = failures
    const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : ''
    super({ request: 'nf_tables commit', ...first }, `nf_tables commit: ${one?.message ?? 'refused'}${more}`)
    this.name = 'NftError'
    this.failures = failures
  }
}

/** An error message of the kernel about one message of the batch. */
export interface Refusal {
  readonly failure: NftFailure
  readonly errno: number
  readonly attribute?: string | undefined
  readonly detail?: string | undefined
}

/** Explains the NLMSG_ERROR `reply` to the message `sent` (undefined: to the batch itself). */
export function explain(
  reply: Message,
  sent: SentMessage | undefined,
  batch: { bytes: Uint8Array; sets: Map<string, NftSetSpec> },
): Refusal {
  const errno = -(readU32(reply.bytes, reply.body) | 0)
  const { code, text } = describeErrno(errno)
  if (sent === undefined) {
    return { failure: { code, message: `batch: ${code}: ${text}`, operation: 'batch' }, errno }
  }
  const { operation } = sent
  const { bytes, sets } = batch
  const where = { bytes, start: sent.start, end: sent.end, header: 16 + NFGENMSG }
  const { attribute, detail } = describeError(reply, where, NFT_SCHEMAS[operation.object])
  const element =
    operation.object === 'elements' ? elementAt(reply, sent, operation.elements, bytes) : undefined
  const what =
    operation.object === 'elements' && element !== undefined
      ? `${operation.verb} element ${operation.spec.family} ${operation.spec.table} ${operation.spec.set} { ${describeElement(element, sets.get(`${operation.spec.family} ${operation.spec.table} ${operation.spec.set}`))} }`
      : describeOperation(operation, sets)
  const who = operation.subject === undefined ? '' : `${operation.subject}: `
  const message = `${who}${what}: ${code}: ${detail ?? text}${attribute === undefined ? '' : ` (attribute ${attribute})`}`
  return {
    failure: { subject: operation.subject, code, message, element, operation: what },
    errno,
    attribute,
    detail,
  }
}

/**
 * Chains are validated as a whole when a batch is through. If that fails the kernel runs the batch again, now with a
 * validation after each message (nf_tables_validate, NFT_VALIDATE_DO): the first that fails is to blame, those behind it fail
 * because the table is invalid already.
 */
export function withoutFollowers(refusals: readonly Refusal[]): Refusal[] {
  const seen = new Set<string>()
  return refusals.filter(({ failure: { code } }) => {
    const follows = VALIDATION.has(code) && seen.has(code)
    seen.add(code)
    return !follows
  })
}

/** The element the kernel pointed at: the list is walked up to the offset of the extended ack. */
function elementAt(
  reply: Message,
  sent: SentMessage,
  elements: readonly NftElement[],
  bytes: Uint8Array,
): NftElement | undefined {
  if (elements.length === 1) return elements[0]
  const offset = extendedAck(reply).offset
  if (offset === undefined || sent.operation.object !== 'elements') return undefined
  const target = sent.start + offset
  let at = sent.start + 16 + NFGENMSG
  // The list is the last attribute of the message.
  while (at < sent.end && (readU16(bytes, at + 2) & 0x3fff) !== 3) at += (readU16(bytes, at) + 3) & ~3
  if (target <= at) return undefined
  at += 4
  let wire = 0
  for (; at < sent.end; wire += 1) {
    const next = at + ((readU16(bytes, at) + 3) & ~3)
    if (target < next) break
    at = next
  }
  if (at >= sent.end) return undefined
  for (let i = sent.firstElement; i < elements.length; i += 1) {
    const element = elements[i]
    if (element === undefined) return undefined
    wire -= sent.pairs ? rangeWidth(element) : 1
    if (wire < 0) return element
  }
  return undefined
}

import type { Transport } from '../../core/query.ts'
import { parseAddress } from '../../wire/index.ts'
import { encodeFields, type Field } from './protobuf.ts'

/** Message types of dnstap.proto. */
export const MessageType = {
  CLIENT_QUERY: 5,
  CLIENT_RESPONSE: 6,
  FORWARDER_QUERY: 7,
  FORWARDER_RESPONSE: 8,
} as const

const protocols: Readonly<Record<Transport, number>> = { udp: 1, tcp: 2, tls: 3, https: 4 }

/** One event: a message that was received or sent. */
export interface TapEvent {
  readonly type: number
  readonly transport: Transport
  /** who asked, and who was asked */
  readonly from: { readonly address: string; readonly port: number } | undefined
  readonly to: { readonly address: string; readonly port: number }
  /** ms since 1970 */
  readonly queriedAt: number
  readonly respondedAt?: number | undefined
  /** octets of the message, with `full` */
  readonly message: Uint8Array | undefined
  readonly extra: string
}

export interface Identity {
  readonly identity: string
  readonly version: string
}

/** A frame's payload: the Dnstap message. */
export function encodeEvent(event: TapEvent, who: Identity): Buffer {
  const address = (at: TapEvent['from']): Uint8Array | undefined =>
    at === undefined ? undefined : parseAddress(at.address.replace(/%.*$/, ''))
  const [from, to] = [address(event.from), address(event.to)]
  const time = (field: number, at: number | undefined): (Field | undefined)[] =>
    at === undefined
      ? []
      : [
          [field, { value: Math.floor(at / 1000) }],
          [field + 1, { value: Math.round((at % 1000) * 1e6), fixed32: true }],
        ]
  const octets = (field: number, value: Uint8Array | undefined): Field | undefined =>
    value === undefined ? undefined : [field, value]
  const answer = event.respondedAt !== undefined
  const message = encodeFields([
    [1, { value: event.type }],
    [2, { value: to?.length === 16 ? 2 : 1 }],
    [3, { value: protocols[event.transport] }],
    octets(4, from),
    octets(5, to),
    event.from === undefined ? undefined : [6, { value: event.from.port }],
    [7, { value: event.to.port }],
    ...time(8, event.queriedAt),
    octets(10, answer ? undefined : event.message),
    ...time(12, event.respondedAt),
    octets(14, answer ? event.message : undefined),
  ])
  return encodeFields([
    [1, Buffer.from(who.identity)],
    [2, Buffer.from(who.version)],
    event.extra === '' ? undefined : [3, Buffer.from(event.extra)],
    [14, message],
    [15, { value: 1 }],
  ])
}

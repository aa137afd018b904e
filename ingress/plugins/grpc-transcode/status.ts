import type protobuf from 'protobufjs'
import type { JsonObject } from '../../objects/index.ts'
import { decodeMessage, type MessageOptions } from './messages.ts'

/** HTTP statuses by gRPC status (cloud.google.com/apis/design/errors). */
const HTTP_STATUS: Readonly<Record<string, number>> = {
  1: 499,
  2: 500,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 400,
  12: 501,
  13: 500,
  14: 503,
  15: 500,
  16: 401,
}

/** The HTTP status of a grpc-status; undefined if that is 0 or missing. */
export function httpStatus(status: string | undefined): number | undefined {
  return status === undefined || status === '0' ? undefined : (HTTP_STATUS[status] ?? 599)
}

/** google.rpc.Status, by hand: three fields. */
interface RpcStatus {
  code: number
  message: string
  /** The Any messages. */
  readonly details: { url: string; value: Buffer }[]
}

/** Reads `grpc-status-details-bin` for a body that tells what went wrong. Details are taken apart if their type is known. */
export function describeStatus(
  header: string,
  detailType: protobuf.Type | undefined,
  options: MessageOptions,
): JsonObject {
  const { code, message, details } = readStatus(Buffer.from(header, 'base64'))
  const described =
    detailType === undefined
      ? details.map(({ url, value }) => ({ type_url: url, value: value.toString('utf8') }))
      : details.map(({ value }) => decodeMessage(detailType, value, options))
  return { error: { code, message, ...(details.length === 0 ? {} : { details: described }) } }
}

function readStatus(bytes: Buffer): RpcStatus {
  const status: RpcStatus = { code: 0, message: '', details: [] }
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 1 && typeof value === 'number') status.code = value
    else if (field === 2 && typeof value !== 'number') status.message = value.toString('utf8')
    else if (field === 3 && typeof value !== 'number') {
      const any = { url: '', value: Buffer.alloc(0) }
      for (const [part, content] of fieldsOf(value)) {
        if (typeof content === 'number') continue
        if (part === 1) any.url = content.toString('utf8')
        else if (part === 2) any.value = Buffer.from(content)
      }
      status.details.push(any)
    }
  }
  return status
}

/** The fields of a message whose fields are numbers or have a length. Throws RangeError if it is cut off. */
function* fieldsOf(bytes: Buffer): Iterable<[field: number, value: number | Buffer]> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes.readUInt8(at++)
      value += (byte & 0x7f) * shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const number = varint()
    if ((tag & 7) === 0) yield [tag >> 3, number]
    else {
      if (at + number > bytes.length) throw new RangeError('a field is cut off')
      yield [tag >> 3, bytes.subarray(at, at + number)]
      at += number
    }
  }
}

// Writes objects as the API server's protobuf does: the opposite of watch/kubernetes/wire, by the same field tables.
// That the tables are right is tested with bytes that Go's k8s.io/api wrote (test/watch/kubernetes/wire.test.ts).

import { isKind } from '#watch'
import type { FieldType, Message } from '../../watch/kubernetes/wire/message.ts'
import { messages } from '../../watch/kubernetes/wire/messages.ts'
import { listMeta, objectMeta, statusMessage } from '../../watch/kubernetes/wire/meta-messages.ts'

type Raw = Readonly<Record<string, unknown>>

const single = Array.from({ length: 128 }, (_, byte) => Buffer.from([byte]))

function varint(value: number): Buffer {
  const short = single[value]
  if (short !== undefined) return short
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(rest > 0n ? low | 0x80 : low)
  } while (rest > 0n)
  return Buffer.from(bytes)
}

function delimited(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes])
}

const text = (number: number, value: string): Buffer => delimited(number, Buffer.from(value))
const integer = (number: number, value: number): Buffer => Buffer.concat([varint(number << 3), varint(value)])

function writeField(number: number, type: FieldType, value: unknown): Buffer[] {
  if (value === undefined || value === null) return []
  if (typeof type === 'object') {
    if ('message' in type) return [delimited(number, writeMessage(type.message, value as Raw))]
    if ('inline' in type) return []
    const { list } = type
    return (value as unknown[]).map((item) =>
      list === 'text' ? text(number, String(item)) : delimited(number, writeMessage(list, item as Raw)),
    )
  }
  switch (type) {
    case 'text':
    case 'ownText':
    case 'optionalText':
      return [text(number, String(value))]
    case 'number':
    case 'optionalNumber':
      return [integer(number, Number(value))]
    case 'flag':
    case 'optionalFlag':
      return [integer(number, value === true ? 1 : 0)]
    case 'time':
      return [delimited(number, integer(1, Math.floor(Date.parse(String(value)) / 1000)))]
    case 'intOrString':
      return [
        delimited(
          number,
          typeof value === 'string'
            ? Buffer.concat([integer(1, 1), integer(2, 0), text(3, value)])
            : Buffer.concat([integer(1, 0), integer(2, Number(value)), text(3, '')]),
        ),
      ]
    case 'textMap':
      return Object.entries(value).map(([key, item]) =>
        delimited(number, Buffer.concat([text(1, key), text(2, String(item))])),
      )
    case 'bytesMap':
      return Object.entries(value).map(([key, item]) =>
        delimited(number, Buffer.concat([text(1, key), delimited(2, Buffer.from(String(item), 'base64'))])),
      )
  }
}

export function writeMessage(message: Message, raw: Raw): Buffer {
  const parts: Buffer[] = []
  for (const { name, number, type } of message.fields) {
    if (typeof type === 'object' && 'inline' in type)
      parts.push(delimited(number, writeMessage(type.inline, raw)))
    else parts.push(...writeField(number, type, raw[name]))
  }
  if (message === objectMeta) parts.push(...managedFields(raw['managedFields']))
  return Buffer.concat(parts)
}

/** Nobody reads them, but the API server sends them with every object. */
function managedFields(entries: unknown): Buffer[] {
  return ((entries ?? []) as Raw[]).map(({ manager, operation, apiVersion, fieldsType, fieldsV1 }) =>
    delimited(
      17,
      Buffer.concat([
        text(1, String(manager)),
        text(2, String(operation)),
        text(3, String(apiVersion)),
        text(6, String(fieldsType)),
        delimited(7, text(1, JSON.stringify(fieldsV1))),
      ]),
    ),
  )
}

function envelope(type: { apiVersion: string; kind: string }, raw: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from('k8s\0', 'latin1'),
    delimited(1, Buffer.concat([text(1, type.apiVersion), text(2, type.kind)])),
    delimited(2, raw),
    text(3, ''),
    text(4, ''),
  ])
}

/** An object, or a Status, in its envelope. */
export function writeObject(raw: Raw): Buffer {
  const kind = String(raw['kind'])
  const message = kind === 'Status' ? statusMessage : isKind(kind) ? messages[kind] : undefined
  if (message === undefined) throw new Error(`${kind} has no protobuf`)
  return envelope({ apiVersion: String(raw['apiVersion']), kind }, writeMessage(message, raw))
}

/** A list in its envelope. */
export function writeList(list: {
  apiVersion: string
  kind: string
  metadata: Raw
  items: readonly Raw[]
}): Buffer {
  const itemKind = list.kind.replace(/List$/, '')
  const message = isKind(itemKind) ? messages[itemKind] : undefined
  if (message === undefined) throw new Error(`${itemKind} has no protobuf`)
  return envelope(
    list,
    Buffer.concat([
      delimited(1, writeMessage(listMeta, list.metadata)),
      ...list.items.map((item) => delimited(2, writeMessage(message, item))),
    ]),
  )
}

/** A watch event with its length before it. */
export function writeEvent(type: string, object: Raw): Buffer {
  const event = Buffer.concat([text(1, type), delimited(2, delimited(1, writeObject(object)))])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(event.length)
  return Buffer.concat([length, event])
}

// Writes objects as the API server's protobuf does: the opposite of watch/kubernetes/wire, by the same field tables.
// That the tables are right is tested with bytes that Go's k8s.io/api wrote (test/watch/kubernetes/wire.test.ts).

import { isKind } from '#watch'
import type { FieldType, Message } from '../../watch/kubernetes/wire/message.ts'
import { messages } from '../../watch/kubernetes/wire/messages.ts'
import { listMeta, objectMeta, statusMessage } from '../../watch/kubernetes/wire/meta-messages.ts'

type Raw = Readonly<Record<string, unknown>>

/** Protobuf from the last byte to the first: the length of what is inside is known when it has to be written. */
class BackwardWriter {
  #bytes = Buffer.allocUnsafeSlow(1 << 16)
  #start = 1 << 16

  /** How much is written. */
  get length(): number {
    return this.#bytes.length - this.#start
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#start)
  }

  varint(value: number): void {
    if (value >= 0 && value < 0x80) {
      this.#room(1)
      this.#bytes[this.#start] = value
      return
    }
    const bytes: number[] = []
    let rest = BigInt.asUintN(64, BigInt(value))
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    bytes.push(Number(rest))
    this.raw(Uint8Array.from(bytes))
  }

  /** A length-delimited field around what `body` writes. */
  within(number: number, body: () => void): void {
    const before = this.length
    body()
    this.varint(this.length - before)
    this.varint((number << 3) | 2)
  }

  bytes(number: number, bytes: Uint8Array): void {
    this.raw(bytes)
    this.varint(bytes.length)
    this.varint((number << 3) | 2)
  }

  text(number: number, text: string): void {
    const length = Buffer.byteLength(text)
    this.#room(length)
    this.#bytes.write(text, this.#start, length, 'utf8')
    this.varint(length)
    this.varint((number << 3) | 2)
  }

  integer(number: number, value: number): void {
    this.varint(value)
    this.varint(number << 3)
  }

  /** A copy of what was written, and a fresh start. */
  take(): Buffer {
    const written = Buffer.from(this.#bytes.subarray(this.#start))
    this.#start = this.#bytes.length
    return written
  }

  #room(length: number): void {
    if (this.#start < length) {
      const larger = Buffer.allocUnsafeSlow(2 * (this.#bytes.length + length))
      this.#bytes.copy(larger, larger.length - this.length, this.#start)
      this.#start = larger.length - this.length
      this.#bytes = larger
    }
    this.#start -= length
  }
}

const writer = new BackwardWriter()

function writeField(number: number, type: FieldType, value: unknown): void {
  if (value === undefined || value === null) return
  if (typeof type === 'object') {
    if ('inline' in type) return
    if ('message' in type) writer.within(number, () => writeMessage(type.message, value as Raw))
    else for (const item of (value as unknown[]).toReversed()) writeItem(number, type.list, item)
    return
  }
  switch (type) {
    case 'text':
    case 'ownText':
    case 'optionalText':
      writer.text(number, String(value))
      break
    case 'number':
    case 'optionalNumber':
      writer.integer(number, Number(value))
      break
    case 'flag':
    case 'optionalFlag':
      writer.integer(number, value === true ? 1 : 0)
      break
    case 'time':
      writer.within(number, () => writer.integer(1, Math.floor(Date.parse(String(value)) / 1000)))
      break
    case 'intOrString':
      writer.within(number, () => {
        writer.text(3, typeof value === 'string' ? value : '')
        writer.integer(2, typeof value === 'string' ? 0 : Number(value))
        writer.integer(1, typeof value === 'string' ? 1 : 0)
      })
      break
    case 'textMap':
    case 'bytesMap':
      for (const [key, item] of Object.entries(value).reverse()) {
        writer.within(number, () => {
          if (type === 'textMap') writer.text(2, String(item))
          else writer.bytes(2, Buffer.from(String(item), 'base64'))
          writer.text(1, key)
        })
      }
      break
  }
}

function writeItem(number: number, type: 'text' | Message, item: unknown): void {
  if (type === 'text') writer.text(number, String(item))
  else writer.within(number, () => writeMessage(type, item as Raw))
}

function writeMessage(message: Message, raw: Raw): void {
  if (message === objectMeta) writeManagedFields(raw['managedFields'])
  for (const { name, number, type } of message.fields.toReversed()) {
    if (typeof type === 'object' && 'inline' in type)
      writer.within(number, () => writeMessage(type.inline, raw))
    else writeField(number, type, raw[name])
  }
}

/** Nobody reads them, but the API server sends them with every object. */
function writeManagedFields(entries: unknown): void {
  for (const { manager, operation, apiVersion, fieldsType, fieldsV1 } of (
    (entries ?? []) as Raw[]
  ).toReversed()) {
    writer.within(17, () => {
      writer.within(7, () => writer.text(1, JSON.stringify(fieldsV1)))
      writer.text(6, String(fieldsType))
      writer.text(3, String(apiVersion))
      writer.text(2, String(operation))
      writer.text(1, String(manager))
    })
  }
}

function writeEnvelope(type: { apiVersion: string; kind: string }, body: () => void): void {
  writer.text(4, '')
  writer.text(3, '')
  writer.within(2, body)
  writer.within(1, () => {
    writer.text(2, type.kind)
    writer.text(1, type.apiVersion)
  })
  writer.raw(Buffer.from('k8s\0', 'latin1'))
}

function messageOf(kind: string): Message {
  const message = kind === 'Status' ? statusMessage : isKind(kind) ? messages[kind] : undefined
  if (message === undefined) throw new Error(`${kind} has no protobuf`)
  return message
}

function writeEnveloped(raw: Raw): void {
  const kind = String(raw['kind'])
  const message = messageOf(kind)
  writeEnvelope({ apiVersion: String(raw['apiVersion']), kind }, () => writeMessage(message, raw))
}

/** An object, or a Status, in its envelope. */
export function writeObject(raw: Raw): Buffer {
  writeEnveloped(raw)
  return writer.take()
}

/** A list in its envelope. */
export function writeList(list: {
  apiVersion: string
  kind: string
  metadata: Raw
  items: readonly Raw[]
}): Buffer {
  const message = messageOf(list.kind.replace(/List$/, ''))
  writeEnvelope(list, () => {
    for (const item of list.items.toReversed()) writer.within(2, () => writeMessage(message, item))
    writer.within(1, () => writeMessage(listMeta, list.metadata))
  })
  return writer.take()
}

/** A watch event with its length before it. */
export function writeEvent(type: string, object: Raw): Buffer {
  writer.within(2, () => writer.within(1, () => writeEnveloped(object)))
  writer.text(1, type)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(writer.length)
  writer.raw(length)
  return writer.take()
}

import { define } from '../../objects/field.ts'
import type { ProtobufReader } from './protobuf-reader.ts'

/**
 * How one field of a generated.proto appears in JSON. Fields that are no pointers in Go are always
 * on the wire, also when empty; `text`, `number` and `flag` leave those out, as JSON's omitempty does.
 * The `optional` ones keep whatever is there.
 */
export type FieldType =
  | 'text'
  /** a text that is different in each object */
  | 'ownText'
  | 'optionalText'
  | 'number'
  | 'optionalNumber'
  | 'flag'
  | 'optionalFlag'
  | 'time'
  | 'intOrString'
  | 'textMap'
  | 'bytesMap'
  | { readonly message: Message }
  /** the fields of the message stand in the object around it, as Go's embedding does in JSON */
  | { readonly inline: Message }
  | { readonly list: 'text' | Message }

interface MessageField {
  readonly name: string
  readonly number: number
  readonly type: FieldType
}

/** A protobuf message with the fields we use; all others are skipped while reading. */
export class Message {
  readonly fields: readonly MessageField[]
  readonly byNumber: readonly (MessageField | undefined)[]

  constructor(fields: Readonly<Record<string, readonly [number: number, type: FieldType]>>) {
    this.fields = Object.entries(fields).map(([name, [number, type]]) => ({ name, number, type }))
    const byNumber: (MessageField | undefined)[] = []
    for (const field of this.fields) byNumber[field.number] = field
    this.byNumber = Array.from(byNumber)
  }
}

/** Reads a message into the object its JSON form would parse to. Throws WireError. */
export function readMessage(
  message: Message,
  reader: ProtobufReader,
  target: Record<string, unknown> = {},
): Record<string, unknown> {
  while (reader.position < reader.end) {
    const tag = reader.varint()
    const field = message.byNumber[tag >>> 3]
    if (field === undefined) reader.skip(tag & 7)
    else readField(field.name, field.type, reader, target)
  }
  return target
}

function readField(
  name: string,
  type: FieldType,
  reader: ProtobufReader,
  target: Record<string, unknown>,
): void {
  if (typeof type === 'object') {
    if ('message' in type)
      reader.within(() => (target[name] = readMessage(type.message, reader, objectAt(target, name))))
    else if ('inline' in type) reader.within(() => readMessage(type.inline, reader, target))
    else readItem(name, type.list, reader, target)
    return
  }
  switch (type) {
    case 'text': {
      const text = reader.text()
      if (text !== '') target[name] = text
      break
    }
    case 'ownText': {
      const text = reader.ownText()
      if (text !== '') target[name] = text
      break
    }
    case 'optionalText':
      target[name] = reader.text()
      break
    case 'number': {
      const value = reader.varint()
      if (value !== 0) target[name] = value
      break
    }
    case 'optionalNumber':
      target[name] = reader.varint()
      break
    case 'flag':
      if (reader.varint() !== 0) target[name] = true
      break
    case 'optionalFlag':
      target[name] = reader.varint() !== 0
      break
    case 'time':
      reader.within(() => readTime(name, reader, target))
      break
    case 'intOrString':
      reader.within(() => (target[name] = readIntOrString(reader)))
      break
    case 'textMap':
      reader.within(() => readEntry(objectAt(target, name), reader, () => reader.text(), ''))
      break
    case 'bytesMap':
      reader.within(() => readEntry(objectAt(target, name), reader, () => reader.copy(), Buffer.alloc(0)))
      break
  }
}

function objectAt(target: Record<string, unknown>, name: string): Record<string, unknown> {
  const known = target[name]
  if (typeof known === 'object' && known !== null) return known as Record<string, unknown>
  const made: Record<string, unknown> = {}
  target[name] = made
  return made
}

function readItem(
  name: string,
  item: 'text' | Message,
  reader: ProtobufReader,
  target: Record<string, unknown>,
): void {
  const items = listAt(target, name)
  if (item === 'text') items.push(reader.text())
  else reader.within(() => items.push(readMessage(item, reader)))
}

function listAt(target: Record<string, unknown>, name: string): unknown[] {
  const known = target[name]
  if (Array.isArray(known)) return known
  const made: unknown[] = []
  target[name] = made
  return made
}

/** An entry of a map is a message of key (1) and value (2). */
function readEntry<T>(
  target: Record<string, unknown>,
  reader: ProtobufReader,
  readValue: () => T,
  empty: T,
): void {
  let key = ''
  let value = empty
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag >>> 3 === 1) key = reader.text()
    else if (tag >>> 3 === 2) value = readValue()
    else reader.skip(tag & 7)
  }
  define(target, key, value)
}

const timeMessage = new Message({ seconds: [1, 'number'], nanos: [2, 'number'] })

/** metav1.Time as RFC 3339 in seconds; the zero time is left out. */
function readTime(name: string, reader: ProtobufReader, target: Record<string, unknown>): void {
  const { seconds } = readMessage(timeMessage, reader)
  if (typeof seconds !== 'number' || Math.abs(seconds) > 8.64e12) return
  target[name] = new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

const intOrStringMessage = new Message({ type: [1, 'number'], intVal: [2, 'number'], strVal: [3, 'text'] })

function readIntOrString(reader: ProtobufReader): number | string {
  const { type, intVal, strVal } = readMessage(intOrStringMessage, reader)
  if (type === 1) return typeof strVal === 'string' ? strVal : ''
  return typeof intVal === 'number' ? intVal : 0
}

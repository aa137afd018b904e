import { type Envelope, openEnvelope, readStatus } from './envelope.ts'
import type { Message } from './message.ts'
import { ProtobufReader, WireError } from './protobuf-reader.ts'
import { type RawObject, type ReceivedObject, readObject } from './received.ts'

export interface WatchEvent {
  readonly type: string
  readonly object: ReceivedObject
}

/** Cuts the body of a watch into events, however it is chunked. */
export interface EventReader {
  /** The events completed by this chunk. Throws WireError. */
  push(chunk: Buffer): WatchEvent[]
}

/** A line of JSON per event. */
export class JsonEventReader implements EventReader {
  #rest: Buffer[] = []

  push(chunk: Buffer): WatchEvent[] {
    const events: WatchEvent[] = []
    let start = 0
    for (let newline = chunk.indexOf(10); newline >= 0; newline = chunk.indexOf(10, start)) {
      const line = chunk.subarray(start, newline)
      const whole = this.#rest.length === 0 ? line : Buffer.concat([...this.#rest, line])
      this.#rest = []
      start = newline + 1
      if (whole.length > 0) events.push(parseEvent(whole))
    }
    if (start < chunk.length) this.#rest.push(chunk.subarray(start))
    return events
  }
}

function parseEvent(line: Buffer): WatchEvent {
  let event: unknown
  try {
    event = JSON.parse(line.toString('utf8'))
  } catch (cause) {
    throw new WireError(`a watch event is no JSON: ${cause instanceof Error ? cause.message : cause}`)
  }
  const { type, object } = (event ?? {}) as { type?: unknown; object?: unknown }
  if (typeof type !== 'string' || typeof object !== 'object' || object === null) {
    throw new WireError('a watch event has no type or no object')
  }
  return { type, object: object as RawObject }
}

/** Four bytes of big-endian length before each metav1.WatchEvent: `application/vnd.kubernetes.protobuf;stream=watch`. */
export class ProtobufEventReader implements EventReader {
  readonly #message: Message
  #rest: Buffer | undefined

  constructor(message: Message) {
    this.#message = message
  }

  push(chunk: Buffer): WatchEvent[] {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    const events: WatchEvent[] = []
    let position = 0
    while (bytes.length - position >= 4) {
      const end = position + 4 + bytes.readUInt32BE(position)
      if (end > bytes.length) break
      events.push(this.#read(new ProtobufReader(bytes, position + 4, end)))
      position = end
    }
    this.#rest = position < bytes.length ? bytes.subarray(position) : undefined
    return events
  }

  #read(reader: ProtobufReader): WatchEvent {
    let type = ''
    let object: Envelope | undefined
    while (reader.position < reader.end) {
      const tag = reader.varint()
      if (tag === 0x0a) type = reader.text()
      else if (tag === 0x12) {
        const outer = reader.enter()
        object = openRaw(reader)
        reader.leave(outer)
      } else reader.skip(tag & 7)
    }
    if (object === undefined) throw new WireError('a watch event has no object')
    if (object.kind === 'Status') return { type, object: readStatus(object) }
    return { type, object: readObject(object.reader, this.#message, object) }
  }
}

/** runtime.RawExtension: the bytes of an enveloped object. */
function openRaw(reader: ProtobufReader): Envelope | undefined {
  let envelope: Envelope | undefined
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag !== 0x0a) {
      reader.skip(tag & 7)
      continue
    }
    const length = reader.length()
    envelope = openEnvelope(reader.bytes, reader.position, reader.position + length)
    reader.position += length
  }
  return envelope
}

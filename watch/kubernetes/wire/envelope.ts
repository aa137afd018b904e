import { Message, readMessage } from './message.ts'
import { listMeta, statusMessage, typeMeta } from './meta-messages.ts'
import { ProtobufReader, WireError } from './protobuf-reader.ts'

/** Every protobuf answer begins with these bytes: k8s.io/apimachinery pkg/runtime/serializer/protobuf. */
export const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00])

/** runtime.Unknown: the envelope around every object. */
export interface Envelope {
  readonly apiVersion: string
  readonly kind: string
  /** reads the object inside */
  readonly reader: ProtobufReader
}

/** Opens an envelope in `bytes` from `start` to `end`. Throws WireError. */
export function openEnvelope(bytes: Buffer, start = 0, end = bytes.length): Envelope {
  if (end - start < magic.length || magic.compare(bytes, start, start + magic.length) !== 0) {
    throw new WireError('an answer does not begin with the mark of Kubernetes protobuf')
  }
  const reader = new ProtobufReader(bytes, start + magic.length, end)
  const type: Record<string, unknown> = {}
  let inside = new ProtobufReader(bytes, end, end)
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag === 0x0a) reader.within(() => readMessage(typeMeta, reader, type))
    else if (tag === 0x12) {
      const length = reader.length()
      inside = new ProtobufReader(bytes, reader.position, reader.position + length)
      reader.position += length
    } else reader.skip(tag & 7)
  }
  return { apiVersion: String(type['apiVersion'] ?? ''), kind: String(type['kind'] ?? ''), reader: inside }
}

/** Reads the object in an envelope as its JSON form would parse, `apiVersion` and `kind` included. */
export function readEnvelope(envelope: Envelope, message: Message): Record<string, unknown> {
  const { apiVersion, kind, reader } = envelope
  return readMessage(message, reader, { apiVersion, kind })
}

/** Reads metav1.Status from an envelope. */
export function readStatus(envelope: Envelope): Record<string, unknown> {
  return readMessage(statusMessage, envelope.reader)
}

export const listMetadata = new Message({ metadata: [1, { message: listMeta }] })

import { ContentPool } from '../../compact/content-pool.ts'
import { Message, readMessage } from './message.ts'
import { listMeta, statusMessage, typeMeta } from './meta-messages.ts'
import { ProtobufReader, WireError } from './protobuf-reader.ts'

/** Every protobuf answer begins with these bytes: k8s.io/apimachinery pkg/runtime/serializer/protobuf. */
export const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00])
const magicNumber = magic.readUInt32BE()

/** runtime.Unknown: the envelope around every object. */
export interface Envelope {
  readonly apiVersion: string
  readonly kind: string
  /** reads the object inside */
  readonly reader: ProtobufReader
}

interface Type {
  readonly apiVersion: string
  readonly kind: string
}

/** All envelopes of a watch have the same. */
const types = new ContentPool<Type>({ slots: 1 << 6, longest: 128 })

function readType(bytes: Buffer, start: number, end: number): Type {
  const { apiVersion, kind } = readMessage(typeMeta, new ProtobufReader(bytes, start, end))
  return { apiVersion: String(apiVersion ?? ''), kind: String(kind ?? '') }
}

/** Opens an envelope in `bytes` from `start` to `end`. Throws WireError. */
export function openEnvelope(bytes: Buffer, start = 0, end = bytes.length): Envelope {
  if (end - start < magic.length || bytes.readUInt32BE(start) !== magicNumber) {
    throw new WireError('an answer does not begin with the mark of Kubernetes protobuf')
  }
  const reader = new ProtobufReader(bytes, start + magic.length, end)
  let type: Type = { apiVersion: '', kind: '' }
  let inside: ProtobufReader | undefined
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag !== 0x0a && tag !== 0x12) {
      reader.skip(tag & 7)
      continue
    }
    const fieldEnd = reader.length() + reader.position
    if (tag === 0x0a) type = types.read(bytes, reader.position, fieldEnd, readType)
    else inside = new ProtobufReader(bytes, reader.position, fieldEnd)
    reader.position = fieldEnd
  }
  return { ...type, reader: inside ?? new ProtobufReader(bytes, end, end) }
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

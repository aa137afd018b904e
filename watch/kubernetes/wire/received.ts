import { CompactObject, type Version } from '../../compact/compact-object.ts'
import type { Kind } from '../../objects/kinds.ts'
import { type Key, keyFrom } from '../../objects/meta.ts'
import { readCompactPod } from './compact-pod.ts'
import { readCompactSlice } from './compact-slice.ts'
import { type Message, readMessage } from './message.ts'
import { ProtobufReader } from './protobuf-reader.ts'

export type RawObject = Readonly<Record<string, unknown>>

/** An object as it arrived: in its stored form already, or as JSON parses it, still to be decoded. */
export type ReceivedObject = RawObject | CompactObject

/** Kinds of which there are so many that they are read straight into their stored form. */
const compactReaders: { readonly [K in Kind]?: (reader: ProtobufReader) => CompactObject | undefined } = {
  Pod: readCompactPod,
  EndpointSlice: readCompactSlice,
}

/** Reads the object that the rest of the reader's bytes are. Throws WireError. */
export function readObject(
  reader: ProtobufReader,
  message: Message,
  type: { readonly apiVersion: string; readonly kind: string },
): ReceivedObject {
  const { bytes, position, end } = reader
  const compact = compactReaders[type.kind as Kind]?.(reader)
  return compact ?? readMessage(message, new ProtobufReader(bytes, position, end), { ...type })
}

/** Which object this is, valid or not; undefined if it has no name. */
export function receivedKey(object: ReceivedObject): Key | undefined {
  if (object instanceof CompactObject) return object.key
  const { name, namespace } = metadataOf(object)
  if (typeof name !== 'string' || name === '') return undefined
  return keyFrom(typeof namespace === 'string' ? namespace : '', name)
}

/** '' if the object does not say. */
export function receivedVersion(object: ReceivedObject): Version {
  if (object instanceof CompactObject) return object.version
  const { resourceVersion } = metadataOf(object)
  return typeof resourceVersion === 'string' ? resourceVersion : ''
}

export function metadataOf(raw: RawObject): RawObject {
  const { metadata } = raw
  return typeof metadata === 'object' && metadata !== null ? (metadata as RawObject) : {}
}

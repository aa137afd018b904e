// k8s.io/apimachinery ObjectMeta (pkg/apis/meta/v1/generated.proto) straight into its stored form.
import { ByteScratch } from '../../compact/byte-scratch.ts'
import type { CompactMetadata, Moment, Version } from '../../compact/compact-object.ts'
import { ContentPool } from '../../compact/content-pool.ts'
import { droppedAnnotations } from '../../objects/decode-meta.ts'
import { define } from '../../objects/field.ts'
import type { Key, StringMap } from '../../objects/meta.ts'
import { ProtobufReader } from './protobuf-reader.ts'

const noEntries: StringMap = Object.freeze({})
const pool = new ContentPool<StringMap>({ slots: 1 << 11, longest: 256 })
const key = new ByteScratch()
const namespacePattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/**
 * The next field as metadata of a namespaced object; undefined if it is not what an API server writes: then the
 * general way reads it, and says what is wrong. `alike`: other objects have the same labels and annotations.
 */
export function readCompactMetadata(
  reader: ProtobufReader,
  { alike }: { readonly alike: boolean },
): CompactMetadata | undefined {
  const { bytes } = reader
  let nameStart = 0
  let nameEnd = 0
  let namespace = ''
  let uid = ''
  let version: Version = ''
  let labels: StringMap | undefined
  let annotations: StringMap | undefined
  let created: Moment
  let deleted: Moment
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const tag = reader.varint()
    switch (tag) {
      case 0x0a:
        nameEnd = reader.length() + reader.position
        nameStart = reader.position
        reader.position = nameEnd
        break
      case 0x1a:
        namespace = reader.text()
        break
      case 0x2a:
        uid = reader.ownText()
        break
      case 0x32:
        version = readVersion(reader)
        break
      case 0x42:
        created = readSeconds(reader)
        break
      case 0x4a:
        deleted = readSeconds(reader)
        break
      case 0x5a:
        if (labels !== undefined) return undefined
        labels = readMap(reader, tag, alike)
        break
      case 0x62:
        if (annotations !== undefined) return undefined
        annotations = readMap(reader, tag, alike)
        break
      default:
        reader.skip(tag & 7)
    }
  }
  reader.leave(outer)
  if (!isName(bytes, nameStart, nameEnd) || !namespacePattern.test(namespace)) return undefined
  return {
    key: keyOf(namespace, bytes, nameStart, nameEnd),
    namespace,
    uid,
    version,
    labels: labels ?? noEntries,
    annotations: annotations ?? noEntries,
    created,
    deleted,
  }
}

/** RFC 1123 as in objects/decode-meta.ts, looked at byte by byte. */
function isName(bytes: Buffer, start: number, end: number): boolean {
  if (start === end || end - start > 253) return false
  for (let index = start; index < end; index++) {
    const byte = bytes[index] ?? 0
    if ((byte >= 97 && byte <= 122) || (byte >= 48 && byte <= 57)) continue
    if ((byte !== 45 && byte !== 46) || index === start || index === end - 1) return false
  }
  return true
}

function keyOf(namespace: string, bytes: Buffer, start: number, end: number): Key {
  key.length = 0
  for (let index = 0; index < namespace.length; index++) key.push(namespace.charCodeAt(index))
  key.push(47)
  key.copy(bytes, start, end)
  return key.packed()
}

/** A number where it is one without leading zeros, which can be compared and takes no memory. */
function readVersion(reader: ProtobufReader): Version {
  const { bytes, position } = reader
  const length = reader.length()
  const start = reader.position
  let number = 0
  for (let index = start; index < start + length; index++) {
    const digit = (bytes[index] ?? 0) - 48
    if (digit < 0 || digit > 9 || (number === 0 && index > start) || length > 15) {
      reader.position = position
      return reader.ownText()
    }
    number = number * 10 + digit
  }
  reader.position = start + length
  return length === 0 ? '' : number
}

/** metav1.Time; the zero time is none. */
function readSeconds(reader: ProtobufReader): Moment {
  let seconds = 0
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag === 0x08) seconds = reader.varint()
    else reader.skip(tag & 7)
  }
  reader.leave(outer)
  return seconds === 0 || Math.abs(seconds) > 8.64e12 ? undefined : seconds
}

/** A map whose first tag was just read: all entries of it. */
function readMap(reader: ProtobufReader, tag: number, alike: boolean): StringMap {
  const start = reader.position - 1
  const end = reader.passRepeated(tag)
  return alike ? pool.read(reader.bytes, start, end, readEntries) : readEntries(reader.bytes, start, end)
}

function readEntries(bytes: Buffer, start: number, end: number): StringMap {
  const reader = new ProtobufReader(bytes, start, end)
  const map: Record<string, string> = {}
  const areAnnotations = bytes[start] === 0x62
  while (reader.position < end) {
    reader.position++
    const outer = reader.enter()
    let [name, value] = ['', '']
    while (reader.position < reader.end) {
      const tag = reader.varint()
      if (tag === 0x0a) name = reader.text()
      else if (tag === 0x12) value = reader.text()
      else reader.skip(tag & 7)
    }
    reader.leave(outer)
    if (!areAnnotations || !droppedAnnotations.has(name)) define(map, name, value)
  }
  return map
}

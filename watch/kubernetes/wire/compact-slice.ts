// discovery/v1 EndpointSlice (generated.proto) straight into its stored form: nearly all that a large cluster sends.
import { ByteScratch } from '../../compact/byte-scratch.ts'
import type { CompactMetadata } from '../../compact/compact-object.ts'
import { CompactSlice } from '../../compact/compact-slice.ts'
import { ContentPool } from '../../compact/content-pool.ts'
import { packedTags } from '../../compact/packed-endpoints.ts'
import { canonicalAddress } from '../../objects/address.ts'
import { type EndpointPort, endpointPortIn } from '../../objects/endpoint-slice.ts'
import { Field, type FieldProblem } from '../../objects/field.ts'
import { readCompactMetadata } from './compact-metadata.ts'
import { readMessage } from './message.ts'
import { endpointSliceMessage } from './network-messages.ts'
import { ProtobufReader } from './protobuf-reader.ts'

type Ports = readonly EndpointPort[] | 'invalid'

const ports = new ContentPool<Ports>({ slots: 1 << 9, longest: 256 })
const scratch = new ByteScratch()

/** Reads a slice; undefined if there is something in it that the general way has to look at. */
export function readCompactSlice(reader: ProtobufReader): CompactSlice | undefined {
  let metadata: CompactMetadata | undefined
  let addressType = ''
  let open: Ports | undefined
  const families = { IPv4: false, IPv6: false }
  scratch.length = 0
  while (reader.position < reader.end) {
    const tag = reader.varint()
    switch (tag) {
      case 0x0a:
        metadata = readCompactMetadata(reader, { alike: false })
        if (metadata === undefined) return undefined
        break
      case 0x12:
        if (!packEndpoint(reader, families)) return undefined
        break
      case 0x1a: {
        if (open !== undefined) return undefined
        const start = reader.position - 1
        open = ports.read(reader.bytes, start, reader.passRepeated(tag), readPorts)
        break
      }
      case 0x22:
        addressType = reader.text()
        break
      default:
        reader.skip(tag & 7)
    }
  }
  if (metadata === undefined || open === 'invalid') return undefined
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return undefined
  if (families[addressType === 'IPv4' ? 'IPv6' : 'IPv4']) return undefined
  return new CompactSlice(metadata, { addressType, ports: open ?? none, packed: scratch.packed() })
}

const none: readonly EndpointPort[] = Object.freeze([])

function readPorts(bytes: Buffer, start: number, end: number): Ports {
  const raw = readMessage(endpointSliceMessage, new ProtobufReader(bytes, start, end))
  const problems: FieldProblem[] = []
  const list = Field.root(raw, problems).at('ports').list(endpointPortIn)
  return problems.length > 0 ? 'invalid' : Object.freeze(list)
}

/** Appends the next field, an Endpoint, in packed form; false if the general way has to look at it. */
function packEndpoint(reader: ProtobufReader, families: { IPv4: boolean; IPv6: boolean }): boolean {
  const { bytes } = reader
  scratch.push(packedTags.begin)
  const conditionsAt = scratch.length
  scratch.push(6)
  let addressed = false
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const tag = reader.varint()
    switch (tag) {
      case 0x0a: {
        const length = reader.length()
        const family = familyOf(bytes, reader.position, reader.position + length)
        if (family === undefined) return false
        families[family] = true
        addressed = true
        appendField(packedTags.address, reader, length)
        break
      }
      case 0x12: {
        const bits = readConditions(reader)
        if (bits === undefined) return false
        scratch.bytes[conditionsAt] = bits
        break
      }
      case 0x1a:
        appendField(packedTags.hostname, reader, reader.length())
        break
      case 0x22:
        appendTarget(reader)
        break
      case 0x32:
        appendField(packedTags.nodeName, reader, reader.length())
        break
      case 0x3a:
        appendField(packedTags.zone, reader, reader.length())
        break
      case 0x42:
        if (!appendHints(reader)) return false
        break
      default:
        reader.skip(tag & 7)
    }
  }
  reader.leave(outer)
  return addressed
}

/** Appends a field of `length` bytes from where the reader stands. */
function appendField(tag: number, reader: ProtobufReader, length: number): void {
  scratch.push(tag)
  scratch.varint(length)
  scratch.copy(reader.bytes, reader.position, reader.position + length)
  reader.position += length
}

/** EndpointConditions; what is not there is ready, serving and not terminating (KEP-1672). */
function readConditions(reader: ProtobufReader): number | undefined {
  let bits = 6
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const tag = reader.varint()
    const bit = tag === 0x08 ? 4 : tag === 0x10 ? 2 : tag === 0x18 ? 1 : 0
    if (bit === 0) return undefined
    bits = reader.varint() === 0 ? bits & ~bit : bits | bit
  }
  reader.leave(outer)
  return bits
}

/** Kind and name of a core/v1 ObjectReference: what is used of it. */
function appendTarget(reader: ProtobufReader): void {
  let kind = ''
  let named = false
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag === 0x0a) kind = reader.text()
    else if (tag === 0x1a) {
      named = true
      appendField(packedTags.target, reader, reader.length())
    } else reader.skip(tag & 7)
  }
  reader.leave(outer)
  if (!named) scratch.text(packedTags.target, '')
  if (kind !== 'Pod') scratch.text(packedTags.targetKind, kind)
}

/** EndpointHints: messages that hold nothing but a name. */
function appendHints(reader: ProtobufReader): boolean {
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const hint = reader.varint()
    const end = reader.length() + reader.position
    const inner = reader.varint()
    const length = reader.length()
    if (
      (hint !== 0x0a && hint !== 0x12) ||
      inner !== 0x0a ||
      reader.position + length !== end ||
      length === 0
    ) {
      return false
    }
    appendField(hint === 0x0a ? packedTags.zoneHint : packedTags.nodeHint, reader, length)
  }
  reader.leave(outer)
  return true
}

/** The family of an address in canonical form; undefined for anything else. */
export function familyOf(bytes: Buffer, start: number, end: number): 'IPv4' | 'IPv6' | undefined {
  if (isDotted(bytes, start, end)) return 'IPv4'
  const text = bytes.toString('latin1', start, end)
  return text.includes(':') && canonicalAddress(text) === text ? 'IPv6' : undefined
}

/** Four decimals up to 255 without leading zeros. */
function isDotted(bytes: Buffer, start: number, end: number): boolean {
  let parts = 1
  let value = -1
  for (let index = start; index < end; index++) {
    const byte = bytes[index] ?? 0
    if (byte === 46) {
      if (value < 0) return false
      parts++
      value = -1
    } else {
      if (byte < 48 || byte > 57 || value === 0) return false
      value = (value < 0 ? 0 : value) * 10 + byte - 48
      if (value > 255) return false
    }
  }
  return parts === 4 && value >= 0
}

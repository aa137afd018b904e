// discovery/v1 Endpoint (generated.proto) straight into its stored form: nearly all that a large cluster sends is endpoints.
import { canonicalAddress } from '../../objects/address.ts'
import {
  decodedEndpoints,
  noHints,
  type SliceEndpoint,
  sliceConditions,
} from '../../objects/endpoint-slice.ts'
import type { ObjectReference } from '../../objects/meta.ts'
import { type Message, readMessage } from './message.ts'
import type { ProtobufReader } from './protobuf-reader.ts'

interface Hints {
  readonly forZones?: readonly { readonly name?: string }[]
  readonly forNodes?: readonly { readonly name?: string }[]
}

/**
 * A reader of one item of `endpoints`. What it does not expect it leaves to the general way, which
 * says what is wrong: then the list is decoded like one from JSON.
 */
export function endpointItems(general: Message, hints: Message) {
  return (reader: ProtobufReader, list: unknown[]): void => {
    if (list.length === 0) decodedEndpoints.add(list)
    const start = reader.position
    const endpoint = readEndpoint(reader, hints)
    if (endpoint !== undefined) {
      list.push(endpoint)
      return
    }
    decodedEndpoints.delete(list)
    reader.position = start
    list.push(readMessage(general, reader))
  }
}

function readEndpoint(reader: ProtobufReader, hintsMessage: Message): SliceEndpoint | undefined {
  const addresses: string[] = []
  let [ready, serving, terminating] = [true, true, false]
  let hostname: string | undefined
  let nodeName: string | undefined
  let zone: string | undefined
  let targetRef: ObjectReference | undefined
  let hints = noHints
  while (reader.position < reader.end) {
    const tag = reader.varint()
    switch (tag) {
      case 0x0a: {
        const address = reader.ownText()
        if (!isCanonical(address)) return undefined
        addresses.push(address)
        break
      }
      case 0x12: {
        const outer = reader.enter()
        while (reader.position < reader.end) {
          const condition = reader.varint()
          const value = reader.varint() !== 0
          if (condition === 0x08) ready = value
          else if (condition === 0x10) serving = value
          else if (condition === 0x18) terminating = value
          else return undefined
        }
        reader.leave(outer)
        break
      }
      case 0x1a:
        hostname = reader.text()
        break
      case 0x22:
        targetRef = readReference(reader)
        break
      case 0x32:
        nodeName = reader.text()
        break
      case 0x3a:
        zone = reader.text()
        break
      case 0x42:
        reader.within(() => (hints = hintsOf(readMessage(hintsMessage, reader))))
        break
      default:
        reader.skip(tag & 7)
    }
  }
  if (addresses.length === 0) return undefined
  const conditions = sliceConditions({ ready, serving, terminating })
  return { addresses, conditions, hostname, nodeName, zone, targetRef, hints }
}

/** Kind and name of a core/v1 ObjectReference: what is used of it. */
function readReference(reader: ProtobufReader): ObjectReference {
  let kind = ''
  let name = ''
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag === 0x0a) kind = reader.text()
    else if (tag === 0x1a) name = reader.ownText()
    else reader.skip(tag & 7)
  }
  reader.leave(outer)
  return { kind, namespace: '', name, uid: '' }
}

function hintsOf({ forZones = [], forNodes = [] }: Hints): SliceEndpoint['hints'] {
  const names = (items: readonly { readonly name?: string }[]) => items.map(({ name = '' }) => name)
  return { forZones: names(forZones), forNodes: names(forNodes) }
}

/** Dotted decimals without leading zeros, without a regular expression; others are looked at closely. */
function isCanonical(address: string): boolean {
  let parts = 1
  let value = -1
  for (let index = 0; index < address.length; index++) {
    const code = address.charCodeAt(index)
    if (code === 46) {
      if (value < 0) return false
      parts++
      value = -1
    } else if (code >= 48 && code <= 57 && value !== 0) {
      value = (value < 0 ? 0 : value) * 10 + code - 48
      if (value > 255) return false
    } else return canonicalAddress(address) === address
  }
  return parts === 4 && value >= 0
}

// The endpoints of a slice in one string. Per endpoint: a byte of conditions behind `begin`, then fields, each a tag, a
// length and UTF-8; the tags are those of discovery/v1 Endpoint (generated.proto), but for what nobody reads.
import { ProtobufReader } from '../kubernetes/wire/protobuf-reader.ts'
import { noHints, type SliceEndpoint, sliceConditions } from '../objects/endpoint-slice.ts'
import type { ObjectReference } from '../objects/meta.ts'
import { ByteScratch } from './byte-scratch.ts'

export const packedTags = {
  begin: 0x10,
  address: 0x0a,
  hostname: 0x1a,
  /** name of the target; a Pod unless `targetKind` says otherwise */
  target: 0x22,
  targetKind: 0x2a,
  nodeName: 0x32,
  zone: 0x3a,
  zoneHint: 0x42,
  nodeHint: 0x4a,
} as const

/** The byte behind `begin`. */
export function conditionBits({ ready, serving, terminating }: SliceEndpoint['conditions']): number {
  return (ready ? 4 : 0) + (serving ? 2 : 0) + (terminating ? 1 : 0)
}

const scratch = new ByteScratch()

export function packEndpoints(endpoints: readonly SliceEndpoint[]): string {
  scratch.length = 0
  for (const endpoint of endpoints) pack(endpoint)
  return scratch.packed()
}

function pack({ addresses, conditions, hostname, nodeName, zone, targetRef, hints }: SliceEndpoint): void {
  scratch.push(packedTags.begin)
  scratch.push(conditionBits(conditions))
  for (const address of addresses) scratch.text(packedTags.address, address)
  if (hostname !== undefined) scratch.text(packedTags.hostname, hostname)
  if (targetRef !== undefined) {
    scratch.text(packedTags.target, targetRef.name)
    if (targetRef.kind !== 'Pod') scratch.text(packedTags.targetKind, targetRef.kind)
  }
  if (nodeName !== undefined) scratch.text(packedTags.nodeName, nodeName)
  if (zone !== undefined) scratch.text(packedTags.zone, zone)
  for (const name of hints.forZones) scratch.text(packedTags.zoneHint, name)
  for (const name of hints.forNodes) scratch.text(packedTags.nodeHint, name)
}

export function unpackEndpoints(packed: string): SliceEndpoint[] {
  scratch.unpack(packed)
  const reader = new ProtobufReader(scratch.bytes, 0, scratch.length)
  const endpoints: SliceEndpoint[] = []
  // The first tag is `begin`; each endpoint then ends where it reads that of the next.
  reader.position++
  while (reader.position < reader.end) endpoints.push(unpack(reader))
  return endpoints
}

function unpack(reader: ProtobufReader): SliceEndpoint {
  const bits = reader.varint()
  const addresses: string[] = []
  let hostname: string | undefined
  let target: string | undefined
  let kind = 'Pod'
  let nodeName: string | undefined
  let zone: string | undefined
  let forZones: readonly string[] = noHints.forZones
  let forNodes: readonly string[] = noHints.forNodes
  fields: while (reader.position < reader.end) {
    switch (reader.varint()) {
      case packedTags.begin:
        break fields
      case packedTags.address:
        addresses.push(reader.ownText())
        break
      case packedTags.hostname:
        hostname = reader.text()
        break
      case packedTags.target:
        target = reader.ownText()
        break
      case packedTags.targetKind:
        kind = reader.text()
        break
      case packedTags.nodeName:
        nodeName = reader.text()
        break
      case packedTags.zone:
        zone = reader.text()
        break
      case packedTags.zoneHint:
        forZones = [...forZones, reader.text()]
        break
      case packedTags.nodeHint:
        forNodes = [...forNodes, reader.text()]
        break
    }
  }
  const conditions = sliceConditions({
    ready: (bits & 4) !== 0,
    serving: (bits & 2) !== 0,
    terminating: (bits & 1) !== 0,
  })
  const targetRef: ObjectReference | undefined =
    target === undefined ? undefined : { kind, namespace: '', name: target, uid: '' }
  const hinted = forZones !== noHints.forZones || forNodes !== noHints.forNodes
  return {
    addresses,
    conditions,
    hostname,
    nodeName,
    zone,
    targetRef,
    hints: hinted ? { forZones, forNodes } : noHints,
  }
}

// core/v1 Pod (generated.proto) straight into its stored form.
import { ByteScratch } from '../../compact/byte-scratch.ts'
import type { CompactMetadata } from '../../compact/compact-object.ts'
import { CompactPod, type PodContent, type PodTemplate, templateOf } from '../../compact/compact-pod.ts'
import { ContentPool } from '../../compact/content-pool.ts'
import { decodeObject } from '../../objects/decode.ts'
import type { Condition } from '../../objects/meta.ts'
import { isPodPhase } from '../../objects/pod.ts'
import { readCompactMetadata } from './compact-metadata.ts'
import { familyOf } from './compact-slice.ts'
import { readMessage } from './message.ts'
import { podSpecMessage } from './pod-message.ts'
import { ProtobufReader } from './protobuf-reader.ts'
import { trimField } from './trim.ts'

type Spec = Pick<PodContent, 'nodeName' | 'hostname' | 'template'>
type Status = Pick<PodContent, 'phase' | 'ready' | 'hostIP' | 'podIPs'>

const templates = new ContentPool<PodTemplate | 'invalid'>({ slots: 1 << 11, longest: 1024 })
const scratch = new ByteScratch()

/** Reads a Pod; undefined if there is something in it that the general way has to look at. */
export function readCompactPod(reader: ProtobufReader): CompactPod | undefined {
  let metadata: CompactMetadata | undefined
  let spec: Spec | undefined
  let status: Status | undefined = { phase: 'Pending', ready: undefined, hostIP: '', podIPs: '' }
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag === 0x0a) {
      metadata = readCompactMetadata(reader, { alike: true })
      if (metadata === undefined) return undefined
    } else if (tag === 0x12) {
      spec = readSpec(reader)
      if (spec === undefined) return undefined
    } else if (tag === 0x1a) {
      status = readStatus(reader)
      if (status === undefined) return undefined
    } else reader.skip(tag & 7)
  }
  if (metadata === undefined || spec === undefined) return undefined
  return new CompactPod(metadata, { ...spec, ...status })
}

function readSpec(reader: ProtobufReader): Spec | undefined {
  let nodeName = ''
  let hostname = ''
  scratch.length = 0
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const start = reader.position
    const tag = reader.varint()
    if (tag === 0x52) nodeName = reader.text()
    else if (tag === 0x82) hostname = reader.text()
    else if (!trimField(podSpecMessage, reader, start, tag, scratch)) return undefined
  }
  reader.leave(outer)
  const template = templates.read(scratch.bytes, 0, scratch.length, readTemplate)
  return template === 'invalid' ? undefined : { nodeName, hostname, template }
}

function readTemplate(bytes: Buffer, start: number, end: number): PodTemplate | 'invalid' {
  const spec = readMessage(podSpecMessage, new ProtobufReader(bytes, start, end))
  const decoded = decodeObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'template' }, spec })
  if (decoded.outcome !== 'object' || decoded.object.kind !== 'Pod') return 'invalid'
  return Object.freeze(templateOf(decoded.object.spec))
}

function readStatus(reader: ProtobufReader): Status | undefined {
  let phase = ''
  let ready: Condition['status'] | undefined
  let hostIP = ''
  let podIP = ''
  let podIPs: string | readonly string[] = ''
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const tag = reader.varint()
    switch (tag) {
      case 0x0a:
        phase = reader.text()
        break
      case 0x12: {
        const condition = readCondition(reader)
        if (condition === undefined) return undefined
        if (condition !== '') ready ??= condition
        break
      }
      case 0x2a: {
        if (!isAddress(reader)) return undefined
        hostIP = reader.text()
        break
      }
      case 0x32:
        if (!isAddress(reader)) return undefined
        podIP = reader.ownText()
        break
      case 0x62: {
        const address = readPodIP(reader)
        if (address === undefined) return undefined
        podIPs = podIPs === '' ? address : [podIPs, address].flat()
        break
      }
      default:
        reader.skip(tag & 7)
    }
  }
  reader.leave(outer)
  if (phase === '') phase = 'Pending'
  const first = typeof podIPs === 'string' ? podIPs : podIPs[0]
  if (!isPodPhase(phase) || (podIP !== '' && first !== '' && podIP !== first)) return undefined
  return { phase, ready, hostIP, podIPs: podIPs === '' ? podIP : podIPs }
}

/** Status of the condition Ready; '' for other conditions, undefined if it is none. */
function readCondition(reader: ProtobufReader): Condition['status'] | '' | undefined {
  let type = ''
  let status = ''
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const tag = reader.varint()
    if (tag === 0x0a) type = reader.text()
    else if (tag === 0x12) status = reader.text()
    else reader.skip(tag & 7)
  }
  reader.leave(outer)
  if (status === '') status = 'Unknown'
  if (type === '' || (status !== 'True' && status !== 'False' && status !== 'Unknown')) return undefined
  return type === 'Ready' ? status : ''
}

/** PodIP: a message that holds nothing but an address. */
function readPodIP(reader: ProtobufReader): string | undefined {
  const outer = reader.enter()
  if (reader.varint() !== 0x0a || !isAddress(reader)) return undefined
  const address = reader.ownText()
  if (address === '' || reader.position !== reader.end) return undefined
  reader.leave(outer)
  return address
}

/** Whether the next field is an address in canonical form, or nothing. */
function isAddress(reader: ProtobufReader): boolean {
  const { position } = reader
  const length = reader.length()
  const found =
    length === 0 || familyOf(reader.bytes, reader.position, reader.position + length) !== undefined
  reader.position = position
  return found
}

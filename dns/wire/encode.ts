import { parseAddress } from './address.ts'
import { WireError } from './errors.ts'
import { type Edns, Flag, type Message, type ResourceRecord } from './message.ts'
import { compressesData } from './rdata-kinds.ts'
import { Type } from './registry.ts'
import { Writer } from './writer.ts'

export interface EncodeOptions {
  /** Largest size in octets (default 65535). What does not fit is left out and TC set. */
  readonly maxSize?: number | undefined
}

const workspace = Buffer.allocUnsafeSlow(65535)

/** Encodes a message with name compression into octets of its own. Throws WireError for values that cannot be written. */
export function encodeMessage(message: Message, options: EncodeOptions = {}): Buffer {
  const length = encodeInto(message, workspace, options)
  return Buffer.from(workspace.subarray(0, length))
}

/**
 * Encodes into `target` and returns the length. Records are added in the order answer, authority, additional while they
 * fit; when any is left out, TC is set (RFC 2181 §9 would allow less for the additional section; CoreDNS does the same).
 */
export function encodeInto(message: Message, target: Buffer, options: EncodeOptions = {}): number {
  const limit = Math.min(options.maxSize ?? 65535, target.length)
  const optSize = message.edns === undefined ? 0 : ednsSize(message.edns)
  const writer = new Writer(target)
  writer.length = 12
  for (const question of message.questions) {
    writer.name(question.name, { compress: true })
    writer.u16(question.type)
    writer.u16(question.class)
  }
  const counts = [0, 0, 0]
  let truncated = message.truncated
  const sections = [message.answer, message.authority, message.additional]
  fill: for (let s = 0; s < 3; s += 1) {
    for (const record of sections[s] as readonly ResourceRecord[]) {
      const before = writer.length
      if (!fits(writer, record, limit - optSize)) {
        writer.rewind(before)
        truncated = true
        break fill
      }
      counts[s] = (counts[s] as number) + 1
    }
  }
  if (message.edns !== undefined) {
    writeEdns(writer, message.edns, message.rcode)
    counts[2] = (counts[2] as number) + 1
  }
  const flags =
    (message.response ? Flag.QR : 0) |
    (message.opcode << 11) |
    (message.authoritative ? Flag.AA : 0) |
    (truncated ? Flag.TC : 0) |
    (message.recursionDesired ? Flag.RD : 0) |
    (message.recursionAvailable ? Flag.RA : 0) |
    (message.authenticData ? Flag.AD : 0) |
    (message.checkingDisabled ? Flag.CD : 0) |
    (message.rcode & 15)
  const header = [message.id, flags, message.questions.length, ...counts]
  for (let i = 0; i < 6; i += 1) target.writeUInt16BE(header[i] as number, 2 * i)
  return writer.length
}

/** Octets that the OPT record takes. */
export function ednsSize(edns: Edns): number {
  return 11 + edns.options.reduce((sum, option) => sum + 4 + option.data.length, 0)
}

/** Appends the OPT record (RFC 6891 §6.1.2). */
export function writeEdns(writer: Writer, edns: Edns, rcode: number): void {
  writer.u8(0)
  writer.u16(Type.OPT)
  writer.u16(edns.udpSize)
  writer.u8(rcode >> 4)
  writer.u8(edns.version)
  writer.u16(edns.dnssecOk ? 0x8000 : 0)
  writer.u16(ednsSize(edns) - 11)
  for (const option of edns.options) {
    writer.u16(option.code)
    writer.u16(option.data.length)
    writer.bytes(option.data)
  }
}

function fits(writer: Writer, record: ResourceRecord, limit: number): boolean {
  try {
    writeRecord(writer, record)
  } catch (error) {
    if (error instanceof WireError && error.code === 'DNS_WIRE_SHORT') return false
    throw error
  }
  return writer.length <= limit
}

/** Appends one record. Throws WireError. */
export function writeRecord(writer: Writer, record: ResourceRecord): void {
  writer.name(record.name, { compress: true })
  writer.u16(record.type)
  writer.u16(record.class)
  writer.u32(record.ttl)
  const lengthAt = writer.length
  writer.u16(0)
  writeData(writer, record)
  const length = writer.length - lengthAt - 2
  if (length > 65535)
    throw new WireError('DNS_WIRE_VALUE', `data of '${record.name}' is longer than 65535 octets`)
  writer.buffer.writeUInt16BE(length, lengthAt)
}

function writeData(writer: Writer, record: ResourceRecord): void {
  const compress = compressesData(record.type)
  switch (record.kind) {
    case 'address': {
      const octets = parseAddress(record.address)
      if (octets === undefined || octets.length !== (record.type === Type.A ? 4 : 16)) {
        throw new WireError('DNS_WIRE_VALUE', `'${record.address}' is not an address for '${record.name}'`)
      }
      writer.bytes(octets)
      return
    }
    case 'target':
      writer.name(record.target, { compress })
      return
    case 'preference':
      writer.u16(record.preference)
      writer.name(record.target, { compress })
      return
    case 'srv':
      writer.u16(record.priority)
      writer.u16(record.weight)
      writer.u16(record.port)
      writer.name(record.target, { compress })
      return
    case 'soa':
      writer.name(record.mname, { compress })
      writer.name(record.rname, { compress })
      writer.u32(record.serial)
      writer.u32(record.refresh)
      writer.u32(record.retry)
      writer.u32(record.expire)
      writer.u32(record.minimum)
      return
    case 'text':
      for (const text of record.texts) writer.text(text)
      return
    case 'naptr':
      writer.u16(record.order)
      writer.u16(record.preference)
      writer.text(record.flags)
      writer.text(record.service)
      writer.text(record.regexp)
      writer.name(record.replacement, { compress })
      return
    case 'names':
      writer.name(record.names[0], { compress })
      writer.name(record.names[1], { compress })
      return
    case 'raw':
      writer.bytes(record.rdata)
  }
}

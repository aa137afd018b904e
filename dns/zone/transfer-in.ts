/** Fetches zones from a primary: AXFR (RFC 5936) and IXFR (RFC 1995) over TCP. */
import { randomInt } from 'node:crypto'
import { connect } from 'node:net'
import type { HostPort } from '../core/host-port.ts'
import {
  Class,
  decodeMessage,
  encodeMessage,
  type Message,
  Rcode,
  type ResourceRecord,
  rcodeName,
  type SoaRecord,
  Type,
} from '../wire/index.ts'
import { recordKey } from './canonical.ts'
import { ZoneError } from './errors.ts'
import { TransferReader } from './transfer-reader.ts'
import type { Zone } from './zone.ts'

/** nothing may come for this long */
const idleMs = 10_000

/** The SOA a primary has. Throws ZoneError. */
export async function fetchSoa(origin: string, primary: HostPort): Promise<SoaRecord> {
  let found: SoaRecord | undefined
  await ask(primary, question(origin, Type.SOA, undefined), (message) => {
    found = message.answer.find((record) => record.kind === 'soa')
    return true
  })
  if (found === undefined) throw new ZoneError(`${primary.address} has no SOA of ${origin}`)
  return found
}

/** The records of a zone, or undefined if `have` is the newest. Throws ZoneError. */
export async function fetchZone(
  origin: string,
  primary: HostPort,
  have: Zone | undefined,
): Promise<ResourceRecord[] | undefined> {
  if (have !== undefined) {
    try {
      return await incremental(origin, primary, have)
    } catch (error) {
      // Primaries without IXFR, or that have forgotten our version: the whole zone.
      if (!(error instanceof ZoneError)) throw error
    }
  }
  const reader = new TransferReader(undefined)
  await ask(primary, question(origin, Type.AXFR, undefined), (message) => reader.take(message.answer))
  return reader.records()
}

async function incremental(
  origin: string,
  primary: HostPort,
  have: Zone,
): Promise<ResourceRecord[] | undefined> {
  const reader = new TransferReader(have.soa.serial)
  await ask(primary, question(origin, Type.IXFR, have.soa), (message) => reader.take(message.answer))
  if (reader.current) return undefined
  if (reader.changes.length === 0) return reader.records()
  const records = new Map(
    have.records.filter(({ kind }) => kind !== 'soa').map((record) => [recordKey(record), record]),
  )
  for (const { removed, added } of reader.changes) {
    for (const record of removed) {
      if (!records.delete(recordKey(record)))
        throw new ZoneError(`${primary.address}: a change of ${origin} removes what is not there`)
    }
    for (const record of added) records.set(recordKey(record), record)
  }
  return [reader.soa(), ...records.values()]
}

function question(origin: string, type: number, soa: SoaRecord | undefined): Message {
  return {
    id: randomInt(65_536),
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 0,
    questions: [{ name: origin, type, class: Class.IN }],
    answer: [],
    authority: soa === undefined ? [] : [soa],
    additional: [],
  }
}

/** Sends a query and hands on the messages that come until `take` says that it was the last. */
function ask(primary: HostPort, query: Message, take: (message: Message) => boolean): Promise<void> {
  const label = `${primary.address} port ${primary.port}`
  return new Promise((resolve, reject) => {
    const socket = connect({ host: primary.address, port: primary.port })
    let buffered: Buffer = Buffer.alloc(0)
    const fail = (reason: string, cause?: unknown): void => {
      socket.destroy()
      reject(new ZoneError(`${label}: ${reason}`, { cause }))
    }
    socket.setTimeout(idleMs, () => fail('it says nothing any more'))
    socket.on('error', (error) => fail(error.message, error))
    socket.on('end', () => fail('the connection ended too early'))
    socket.on('data', (chunk: Buffer) => {
      buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
      try {
        while (buffered.length >= 2) {
          const end = 2 + buffered.readUInt16BE(0)
          if (buffered.length < end) break
          const message = decodeMessage(buffered.subarray(2, end))
          buffered = buffered.subarray(end)
          if (message.id !== query.id || !message.response) continue
          if (message.rcode !== Rcode.NOERROR) return fail(`it answers ${rcodeName(message.rcode)}`)
          if (!take(message)) continue
          socket.destroy()
          resolve()
          return
        }
      } catch (error) {
        fail(error instanceof Error ? error.message : String(error), error)
      }
    })
    const octets = encodeMessage(query)
    const frame = Buffer.alloc(2 + octets.length)
    frame.writeUInt16BE(octets.length, 0)
    frame.set(octets, 2)
    socket.write(frame)
  })
}

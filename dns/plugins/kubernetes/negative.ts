import type { Prepared } from '../../core/prepared.ts'
import type { Query } from '../../core/query.ts'
import { encodeMessage, nameLength, Type } from '../../wire/index.ts'
import { soaRecord } from './records.ts'

/**
 * Negative answers are most of what a cluster asks for (search lists with ndots:5), and their only record is the zone's
 * SOA. The zone ends the query's name, so the SOA is a fixed string of octets in which three compression pointers
 * and the serial vary: no encoder is needed per query.
 */
export class NegativeAnswers {
  readonly #zone: string
  readonly #ttl: number
  /** octets of the zone's name on the wire */
  readonly #zoneLength: number
  #serial = -1
  #record: Buffer = Buffer.alloc(0)

  constructor(zone: string, ttl: number) {
    this.#zone = zone
    this.#ttl = ttl
    this.#zoneLength = nameLength(zone)
  }

  /** The answer with the SOA, for a query whose name is in the zone. */
  prepared(query: Query, serial: number): Prepared {
    if (serial !== this.#serial) this.#build(serial)
    const { questionEnd } = query
    const record = this.#record
    const wire = Buffer.allocUnsafe(questionEnd + record.length)
    wire.set(query.wire.subarray(0, questionEnd), 0)
    record.copy(wire, questionEnd)
    const pointer = 0xc000 | (questionEnd - 4 - this.#zoneLength)
    wire.writeUInt16BE(pointer, questionEnd)
    wire.writeUInt16BE(pointer, questionEnd + 19)
    wire.writeUInt16BE(pointer, questionEnd + 32)
    const ttl = Math.min(this.#ttl, 300)
    return {
      wire,
      questionEnd,
      counts: [0, 1, 0],
      ttlOffsets: [questionEnd + 6],
      minTtl: ttl,
      addresses: undefined,
    }
  }

  /**
   * Layout: pointer(2) type class ttl length (10), 'ns' 'dns' pointer (3+4+2), 'hostmaster' pointer (11+2), five numbers
   * (20). Encoding a message with the zone as question gives exactly that.
   */
  #build(serial: number): void {
    const soa = soaRecord(this.#zone, serial, this.#ttl)
    const question = { name: this.#zone, type: Type.SOA, class: 1 }
    const message = encodeMessage({
      id: 0,
      response: true,
      opcode: 0,
      authoritative: true,
      truncated: false,
      recursionDesired: false,
      recursionAvailable: false,
      authenticData: false,
      checkingDisabled: false,
      rcode: 0,
      questions: [question],
      answer: [],
      authority: [soa],
      additional: [],
    })
    this.#record = message.subarray(12 + this.#zoneLength + 4)
    this.#serial = serial
  }
}

import { createHmac, randomFillSync } from 'node:crypto'
import { monotonicNow, type RecordSpace, type SharedRecords } from '../sharing/index.ts'

const PERIOD_MS = 3_600_000
/** A name, a key for HMAC and one for AES of 16 bytes each, as OpenSSL's SSL_CTX_set_tlsext_ticket_keys takes them. */
const TICKET_KEY_BYTES = 48

/**
 * What session tickets (RFC 5077, RFC 8446 §4.6.1) are sealed with: a secret that all processes of the gateway have in
 * common, so that a session made in one is resumed in every other. It is random, never leaves memory, and is another one
 * each hour; tickets of the last hour then lead to a full handshake.
 */
export class SessionKeys {
  readonly #records: RecordSpace
  readonly #now: () => number

  constructor(shared: SharedRecords, now: () => number = monotonicNow) {
    this.#records = shared.within('tls session tickets')
    this.#now = now
  }

  /** The number of the hour: keys are good for one. */
  get period(): number {
    return Math.floor(this.#now() / PERIOD_MS)
  }

  /** The ticket keys of a period for what `purpose` describes; others cannot be told from them. */
  keys(period: number, purpose: string): Buffer {
    return createHmac('sha512', this.#secret(period)).update(purpose).digest().subarray(0, TICKET_KEY_BYTES)
  }

  #secret(period: number): Buffer {
    this.#records.update(String(period - 1), (record) => {
      record.lanes.fill(0)
      record.expiresAt = 0
    })
    return this.#records.update(String(period), (record) => {
      if (record.expiresAt === 0) {
        randomFillSync(record.lanes)
        record.expiresAt = (period + 1) * PERIOD_MS
      }
      return Buffer.from(Uint32Array.from(record.lanes).buffer)
    })
  }
}

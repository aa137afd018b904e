import type { Peer } from '../core/query.ts'

/**
 * Takes one query. `respond` is called exactly once, with the octets of the answer (valid only during the call), or with
 * undefined when nothing is to be sent.
 */
export type Receiver = (wire: Uint8Array, peer: Peer, respond: Respond) => void
export type Respond = (octets: Buffer | undefined) => void

/** An open socket that queries come in on. Its receiver may be exchanged at any time without losing a query. */
export interface Listener {
  readonly transport: 'udp' | 'tcp'
  receiver: Receiver
  /** Addresses it answers on now. */
  addresses(): readonly string[]
  port(): number
  /** Stops taking queries, lets what is under way finish for at most `graceMs`, closes. */
  close(graceMs: number): Promise<void>
}

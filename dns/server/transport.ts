import type { Peer, Transport } from '../core/query.ts'
import type { TlsSettings } from './tls.ts'

/**
 * Takes one query. `respond` is called with the octets of the answer (valid only during the call), or with undefined when
 * nothing is to be sent. It is called once; for zone transfers first with `more` for each message but the last.
 */
export type Receiver = (wire: Uint8Array, peer: Peer, respond: Respond) => void
export type Respond = (octets: Buffer | undefined, how?: { readonly more: boolean }) => void

/**
 * Answers a query at once if the same octets were answered before: writes into `out` at `at` and returns the length, or 0.
 * `now` is performance.now() of about now.
 */
export type QuickAnswer = (
  octets: Buffer,
  offset: number,
  length: number,
  family: 4 | 6,
  now: number,
  out: Buffer,
  at: number,
) => number

/** An open socket that queries come in on. Its receiver may be exchanged at any time without losing a query. */
export interface Listener {
  readonly transport: Transport
  receiver: Receiver
  /** asked before the receiver; only over UDP */
  quick?: QuickAnswer | undefined
  /** Addresses it answers on now. */
  addresses(): readonly string[]
  port(): number
  /** Takes another certificate for new connections; only where there is TLS. */
  renew?(settings: TlsSettings): void
  /** Stops taking queries, lets what is under way finish for at most `graceMs`, closes. */
  close(graceMs: number): Promise<void>
}

import { type AddressSet, clientAddress } from '../route/index.ts'
import type { RequestContext } from './context.ts'

/** Who may say what about the clients it speaks for. */
export interface PeerRules {
  /** Peers whose X-Forwarded-* and Forwarded are passed on; undefined: none, but nobody's X-Forwarded-For is dropped. */
  readonly trusted: AddressSet | undefined
  /** nginx's realip: peers that name the client in a field. */
  readonly realIp:
    | { readonly from: AddressSet; readonly header: string; readonly recursive: boolean }
    | undefined
}

/** Before a route is looked for: what the peer says is taken or dropped. */
export function hearPeer(context: RequestContext, { trusted, realIp }: PeerRules): void {
  const { headers } = context.exchange
  const peer = context.remoteAddr
  if (realIp?.from.has(peer) === true) {
    const field = headers.get(realIp.header)
    const client =
      field === undefined ? undefined : clientAddress(field, realIp.recursive ? realIp.from : undefined)
    if (client !== undefined) context.remoteAddr = client
  }
  if (trusted === undefined) return
  context.trustedPeer = trusted.has(peer)
  if (context.trustedPeer || !headers.has('x-forwarded-for')) return
  context.droppedForwardedFor = headers.get('x-forwarded-for')
  headers.remove('x-forwarded-for')
}

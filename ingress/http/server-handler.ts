import type { ClientConnection } from './client-connection.ts'
import type { Deadlines } from './deadlines.ts'
import type { Exchange } from './exchange.ts'
import type { HeadFault } from './head.ts'
import type { ServerSettings } from './settings.ts'
import type { Transport } from './transport.ts'

/** What the engine tells the gateway. */
export interface ServerHandler {
  /** A request whose head is complete and well-formed. Must lead to a response. */
  onRequest(exchange: Exchange): void
  /** A request refused for its form, answered and closed by the engine. */
  onRefused(fault: HeadFault, transport: Transport): void
}

export interface ConnectionContext {
  readonly settings: ServerSettings
  readonly deadlines: Deadlines
  readonly handler: ServerHandler
  readonly draining: boolean
  onConnectionClose(connection: ClientConnection): void
  /** Hands a connection that began with HTTP/2's preface over; undefined: HTTP/2 is off here. */
  readonly toHttp2: ((connection: ClientConnection, received: Buffer) => void) | undefined
}

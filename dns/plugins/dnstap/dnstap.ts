import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query, UpstreamExchange } from '../../core/query.ts'
import { encodeEvent, type Identity, MessageType, type TapEvent } from './message.ts'
import type { Sink } from './sink.ts'

export interface DnstapOptions extends Identity {
  /** with the messages themselves */
  readonly full: boolean
  /** text of the field `extra`, with labels of *metadata* put in */
  readonly extra: (query: Query) => string
}

/** Tells a sink of every query and answer, of clients and of *forward*. */
export class DnstapPlugin implements Plugin {
  readonly name = 'dnstap'
  readonly #options: DnstapOptions
  readonly #sink: Sink

  constructor(options: DnstapOptions, sink: Sink) {
    this.#options = options
    this.#sink = sink
  }

  async start(): Promise<void> {
    await this.#sink.start()
  }

  stop(): void {
    this.#sink.stop()
  }

  handle(query: Query, next: Next): Outcome {
    const { peer } = query
    const began = now()
    const common = {
      transport: peer.transport,
      from: { address: peer.clientAddress, port: peer.clientPort },
      to: { address: peer.localAddress, port: peer.localPort },
      queriedAt: began,
      extra: this.#options.extra(query),
    }
    this.#tell({ ...common, type: MessageType.CLIENT_QUERY, message: query.wire })
    query.whenSent((size, octets) => {
      // An answer that was not given is none.
      if (size > 0)
        this.#tell({
          ...common,
          type: MessageType.CLIENT_RESPONSE,
          respondedAt: now(),
          message: octets,
        })
    })
    query.whenExchanged((exchange) => this.#exchanged(exchange, common.extra))
    return next(query)
  }

  #exchanged(exchange: UpstreamExchange, extra: string): void {
    const { address, port, transport, query, reply, began } = exchange
    const common = { transport, from: undefined, to: { address, port }, queriedAt: began, extra }
    this.#tell({ ...common, type: MessageType.FORWARDER_QUERY, message: query })
    if (reply !== undefined)
      this.#tell({ ...common, type: MessageType.FORWARDER_RESPONSE, respondedAt: now(), message: reply })
  }

  #tell(event: TapEvent): void {
    const { full } = this.#options
    this.#sink.send(encodeEvent(full ? event : { ...event, message: undefined }, this.#options))
  }
}

/** ms since 1970, with fractions. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

import { NOBODY, type Peer, type Transport } from '../transport.ts'

/** What flows on a stream. */
interface Flow {
  pause(): void
  resume(): void
  destroy(): void
}

/** The part of a connection that a stream is, as a transport; what is written goes through the stream instead. */
export class StreamTransport implements Transport {
  readonly remoteAddress = ''
  readonly remotePort = 0
  readonly localAddress = ''
  readonly localPort = 0
  readonly encrypted = false
  receiver = NOBODY
  readonly #flow: Flow

  constructor(flow: Flow) {
    this.#flow = flow
  }

  assumePeer(_peer: Peer): void {}
  write(): boolean {
    return true
  }
  writeHeld(): boolean {
    return true
  }
  /** Frames are gathered anyhow. */
  cork(): void {}
  uncork(): boolean {
    return true
  }
  pause(): void {
    this.#flow.pause()
  }
  resume(): void {
    this.#flow.resume()
  }
  end(): void {}
  destroy(): void {
    this.#flow.destroy()
  }
}

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** The network between a client and the server, which can be cut in all the ways networks are. */
export class NetworkRelay {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #frozen = false
  #refusing = false
  /** connections made so far */
  connections = 0

  private constructor(target: number) {
    this.#server = createServer((near) => {
      near.on('error', () => {})
      if (this.#refusing) {
        near.resetAndDestroy()
        return
      }
      this.connections++
      const far = connect(target, '127.0.0.1')
      const pair = [near, far] as const
      this.#pairs.add(pair)
      for (const [from, to] of [pair, [far, near] as const]) {
        from.on('error', () => {})
        // As the servers it stands for: Nagle's algorithm would hold small events back for a delayed acknowledgement.
        from.setNoDelay(true)
        from.on('data', (chunk) => to.write(chunk))
        from.on('close', () => {
          // Cut off from each other, neither side learns that the other has gone.
          if (!this.#frozen) to.destroy()
          this.#pairs.delete(pair)
        })
        if (this.#frozen) from.pause()
      }
    })
  }

  static async to(target: number): Promise<NetworkRelay> {
    const relay = new NetworkRelay(target)
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve))
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Breaks every connection with a reset. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }

  /** Nothing gets through any more, and nobody is told: a half-open connection. */
  freeze(): void {
    this.#frozen = true
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
  }

  /** New connections work again; those that were frozen stay dead. */
  thaw(): void {
    this.#frozen = false
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  /** Connections are refused, as by a server that is not running. */
  refuse({ refusing }: { refusing: boolean }): void {
    this.#refusing = refusing
    if (refusing) this.cut()
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

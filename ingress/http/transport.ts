/** What a connection is to the engine; `net` is one implementation, a raw handle can be another. */
export interface Transport {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly encrypted: boolean
  receiver: Receiver
  /** Queues bytes (strings are latin-1); false asks the writer to wait for onDrain. */
  write(data: Buffer | string): boolean
  /** Between cork and uncork writes are gathered into one system call. */
  cork(): void
  uncork(): void
  pause(): void
  resume(): void
  /** Sends what is queued, then FIN. */
  end(): void
  /** Closes at once, dropping what is queued. */
  destroy(): void
}

export interface Receiver {
  /** Bytes that arrived; the receiver owns the buffer. */
  onData(chunk: Buffer): void
  onDrain(): void
  /** The peer sent FIN. */
  onEnd(): void
  /** Called exactly once, after which nothing else is. */
  onClose(error: Error | undefined): void
}

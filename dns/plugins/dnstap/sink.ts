import { unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import type { Logger } from 'pino'
import { FrameWriter } from './stream.ts'

/** Where frames go to, or where those who want them come. */
export interface SinkAddress {
  readonly kind: 'unix' | 'tcp' | 'tls'
  readonly path: string
  readonly host: string
  readonly port: number
  readonly skipVerify: boolean
}

export interface ListenTls {
  readonly cert: string
  readonly key: string
  readonly ca: string | undefined
}

export interface Sink {
  start(): void | Promise<void>
  stop(): void
  send(payload: Buffer): void
}

const retryMs = 1000

/** Connects, again and again; frames wait in a queue meanwhile, and the oldest go when it is full. */
export class OutgoingSink implements Sink {
  readonly #address: SinkAddress
  readonly #options: { queue: number; maxBuffered: number; log: Logger }
  readonly #waiting: Buffer[] = []
  #writer: FrameWriter | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #lost = 0

  constructor(address: SinkAddress, options: { queue: number; maxBuffered: number; log: Logger }) {
    this.#address = address
    this.#options = options
  }

  start(): void {
    const { kind, host, port, path, skipVerify } = this.#address
    const socket: Socket =
      kind === 'unix'
        ? connect(path)
        : kind === 'tcp'
          ? connect({ host, port })
          : connectTls({ host, port, rejectUnauthorized: !skipVerify })
    socket.unref()
    let failed: string | undefined
    socket.on('error', (error) => {
      failed = error.message
    })
    socket.on(kind === 'tls' ? 'secureConnect' : 'connect', () => {
      const { maxBuffered } = this.#options
      this.#writer = new FrameWriter(socket, { maxBuffered, onReady: () => this.#flush() })
    })
    socket.on('close', () => {
      this.#writer = undefined
      if (this.#stopped) return
      this.#options.log.debug({ object: 'dnstap', reason: failed ?? 'closed' }, 'no connection to the sink')
      this.#timer = setTimeout(() => this.start(), retryMs)
      this.#timer.unref()
    })
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#flush()
    this.#writer?.end()
  }

  send(payload: Buffer): void {
    if (this.#waiting.length === 0 && this.#writer?.send(payload) === true) return
    this.#waiting.push(payload)
    if (this.#waiting.length > this.#options.queue) {
      this.#waiting.shift()
      this.#lost += 1
    }
    this.#flush()
  }

  #flush(): void {
    while (this.#waiting[0] !== undefined && this.#writer?.send(this.#waiting[0]) === true)
      this.#waiting.shift()
    if (this.#lost > 0 && this.#waiting.length === 0) {
      this.#options.log.warn(
        { object: 'dnstap', lost: this.#lost },
        'messages were dropped: the sink is slow',
      )
      this.#lost = 0
    }
  }
}

/** Lets those who want frames connect; who reads too slowly is disconnected. */
export class ListeningSink implements Sink {
  readonly #address: SinkAddress
  readonly #tls: ListenTls | undefined
  readonly #maxBuffered: number
  readonly #writers = new Map<Socket, FrameWriter>()
  #server: Server | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(address: SinkAddress, options: { maxBuffered: number; tls: ListenTls | undefined }) {
    this.#address = address
    this.#tls = options.tls
    this.#maxBuffered = options.maxBuffered
  }

  /**
   * Listens. While somebody else has the address (the configuration that a reload replaces, another worker process) it is
   * tried again, and queries are served all the same.
   */
  async start(): Promise<void> {
    if (this.#stopped) return
    const server = this.#create()
    try {
      await this.#listen(server)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
      this.#timer = setTimeout(() => void this.start().catch(() => undefined), retryMs)
      this.#timer.unref()
      return
    }
    server.on('error', () => undefined)
    server.unref()
    this.#server = server
  }

  #create(): Server {
    const tls = this.#tls
    const { skipVerify } = this.#address
    const client = { requestCert: true, rejectUnauthorized: !skipVerify }
    const server =
      tls === undefined
        ? createServer()
        : createTlsServer({
            cert: tls.cert,
            key: tls.key,
            ...(tls.ca === undefined ? {} : { ca: tls.ca, ...client }),
          })
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => this.#accept(socket))
    return server
  }

  async #listen(server: Server): Promise<void> {
    const { kind, path, host, port } = this.#address
    if (kind === 'unix') await removeStale(path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      const listening = (): void => {
        server.off('error', reject)
        resolve()
      }
      if (kind === 'unix') server.listen(path, listening)
      else server.listen(port, host, listening)
    })
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    for (const writer of this.#writers.values()) writer.end()
    this.#server?.close()
  }

  send(payload: Buffer): void {
    for (const [socket, writer] of this.#writers) if (writer.ready && !writer.send(payload)) socket.destroy()
  }

  #accept(socket: Socket): void {
    socket.unref()
    socket.on('error', () => undefined)
    socket.on('close', () => this.#writers.delete(socket))
    const maxBuffered = this.#maxBuffered
    this.#writers.set(socket, new FrameWriter(socket, { maxBuffered, onReady: () => undefined }))
  }
}

/** Removes the socket of a process that is gone: nobody answers there. */
async function removeStale(path: string): Promise<void> {
  const refused = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.on('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
  if (refused) unlinkSync(path)
}

import http2, { type ClientHttp2Session } from 'node:http2'
import net from 'node:net'
import type { Deadlines } from '../deadlines.ts'
import type { Endpoint } from '../pool.ts'
import type { UpstreamLink } from '../upstream-link.ts'
import { H2UpstreamStream } from './h2-upstream-stream.ts'

const MOST_STREAMS = 100
const IDLE_MS = 60_000
// What a server may send ahead on one stream, and on the connection: the defaults (64 KiB) stall long bodies.
const STREAM_WINDOW = 1024 * 1024
const SESSION_WINDOW = 8 * 1024 * 1024

interface Settle {
  onConnect(link: UpstreamLink): void
  onError(error: Error): void
}

/** A connection that is being opened, and who waits for it. */
interface Attempt {
  readonly client: ClientHttp2Session
  readonly waiting: Set<Settle>
}

/** HTTP/2 connections to upstream servers. Requests share them; a further one opens when all are full. */
export class H2Sessions {
  readonly #deadlines: Deadlines
  readonly #sessions = new Map<string, Set<H2Session>>()
  readonly #attempts = new Map<string, Attempt>()

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  get size(): number {
    let size = 0
    for (const sessions of this.#sessions.values()) size += sessions.size
    return size
  }

  /** A stream of a connection that is there. */
  take({ key }: Endpoint): UpstreamLink | undefined {
    for (const session of this.#sessions.get(key) ?? []) if (session.hasRoom) return session.stream()
    return undefined
  }

  /** A stream of a connection that is being opened, or of a new one; returns a function that cancels the attempt. */
  open(endpoint: Endpoint, settle: Settle): () => void {
    const { key } = endpoint
    let attempt = this.#attempts.get(key)
    if (attempt === undefined || attempt.waiting.size >= MOST_STREAMS) attempt = this.#connect(endpoint)
    const { waiting, client } = attempt
    waiting.add(settle)
    return () => {
      if (waiting.delete(settle) && waiting.size === 0) client.destroy()
    }
  }

  #connect(endpoint: Endpoint): Attempt {
    const { key } = endpoint
    const client = connect(endpoint)
    const session = new H2Session(client, key, this.#deadlines, (one) => this.#forget(one))
    const attempt: Attempt = { client, waiting: new Set() }
    this.#attempts.set(key, attempt)
    const over = () => {
      if (this.#attempts.get(key) === attempt) this.#attempts.delete(key)
      const settles = [...attempt.waiting]
      attempt.waiting.clear()
      return settles
    }
    client.once('connect', () => {
      client.setLocalWindowSize(SESSION_WINDOW)
      const sessions = this.#sessions.get(key) ?? new Set()
      this.#sessions.set(key, sessions.add(session))
      for (const settle of over()) settle.onConnect(session.stream())
    })
    const failed = (error: Error) => {
      this.#forget(session)
      for (const settle of over()) settle.onError(error)
    }
    client.on('error', failed)
    client.on('close', () => failed(new Error(`${endpoint.host}:${endpoint.port} closed the connection`)))
    return attempt
  }

  #forget(session: H2Session): void {
    const sessions = this.#sessions.get(session.key)
    sessions?.delete(session)
    if (sessions?.size === 0) this.#sessions.delete(session.key)
  }

  close(): void {
    for (const sessions of this.#sessions.values()) for (const session of sessions) session.destroy()
    this.#sessions.clear()
    for (const { client } of this.#attempts.values()) client.destroy()
  }
}

function connect({ host, port, tls }: Endpoint): ClientHttp2Session {
  const name = net.isIPv6(host) ? `[${host}]` : host
  const shared = { settings: { initialWindowSize: STREAM_WINDOW, enablePush: false } }
  if (tls === undefined) return http2.connect(`http://${name}:${port}`, shared)
  return http2.connect(`https://${name}:${port}`, {
    ...shared,
    ...(net.isIP(tls.servername) === 0 && tls.servername !== '' ? { servername: tls.servername } : {}),
    ...(tls.context === undefined ? {} : { secureContext: tls.context }),
    rejectUnauthorized: tls.verify,
  })
}

/** One connection and how many requests are on it. */
export class H2Session {
  readonly key: string
  readonly client: ClientHttp2Session
  readonly #deadlines: Deadlines
  readonly #onRetire: (session: H2Session) => void
  #active = 0

  constructor(
    client: ClientHttp2Session,
    key: string,
    deadlines: Deadlines,
    onRetire: (session: H2Session) => void,
  ) {
    this.client = client
    this.key = key
    this.#deadlines = deadlines
    this.#onRetire = onRetire
    client.setTimeout(IDLE_MS, () => {
      if (this.#active === 0) this.retire()
    })
    client.on('goaway', () => onRetire(this))
  }

  get hasRoom(): boolean {
    const { client } = this
    if (client.closed || client.destroyed) return false
    return this.#active < Math.min(MOST_STREAMS, client.remoteSettings.maxConcurrentStreams ?? MOST_STREAMS)
  }

  stream(): UpstreamLink {
    this.#active++
    return new H2UpstreamStream(this, this.#deadlines)
  }

  /** A stream of this connection is over. */
  left(): void {
    this.#active--
  }

  /** No new requests; closes once the running ones are done. */
  retire(): void {
    this.#onRetire(this)
    if (!this.client.closed) this.client.close()
  }

  destroy(): void {
    this.client.destroy()
  }
}

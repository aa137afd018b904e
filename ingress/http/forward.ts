import { performance } from 'node:perf_hooks'
import type { BodySink, Exchange, Forwarder } from './exchange.ts'
import type { FieldTable } from './fields.ts'
import { type BreakKind, type FailureKind, type ForwardPlan, failureStatus } from './forward-plan.ts'
import type { Framing } from './framing.ts'
import type { ResponseHead } from './head.ts'
import type { ConnectionPool, Endpoint } from './pool.ts'
import type { UpstreamLink, UpstreamUser } from './upstream-link.ts'
import { interimText, switchResponse, switchText, upstreamResponse } from './upstream-response.ts'

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])
const REPLAY_LIMIT = 65_536
/** How often a request that a server refused unseen is repeated without counting as a try. */
const FREE_REPEATS = 2
const NEVER = Number.POSITIVE_INFINITY

/** Sends one exchange to an upstream: tries, body both ways with back-pressure, response. */
export class Forward implements UpstreamUser, BodySink, Forwarder {
  readonly method: string
  readonly #exchange: Exchange
  readonly #plan: ForwardPlan
  readonly #pool: ConnectionPool
  #connection: UpstreamLink | undefined
  #endpoint: Endpoint | undefined
  #cancelConnect: (() => void) | undefined
  #connectTimer: NodeJS.Timeout | undefined
  #tries = 0
  #refusals = 0
  #pooled = false
  #reading = false
  #corked = false
  #bodySent = false
  #responding = false
  #over = false
  /** Body bytes already sent, kept so that a second try can send them again; undefined once there are too many. */
  #sent: Buffer[] | undefined = []
  #sentBytes = 0
  #trailers: FieldTable | undefined

  constructor(exchange: Exchange, plan: ForwardPlan, pool: ConnectionPool) {
    this.#exchange = exchange
    this.#plan = plan
    this.#pool = pool
    this.method = plan.method
  }

  start(): void {
    this.#exchange.forwarder = this
    this.#try()
  }

  onClientDrain(): void {
    const connection = this.#connection
    if (connection === undefined) return
    if (this.#over) {
      this.#release(connection)
      return
    }
    connection.arm(this.#plan.readTimeout)
    connection.transport.resume()
  }

  /** The server of this try is done with. */
  #leave(): void {
    if (this.#endpoint !== undefined) this.#plan.onEnd(this.#endpoint)
    this.#endpoint = undefined
  }

  onClientGone(): void {
    this.#over = true
    this.#leave()
    this.#cancel()
    this.#connection?.destroy()
    this.#connection = undefined
  }

  #cancel(): void {
    clearTimeout(this.#connectTimer)
    this.#cancelConnect?.()
    this.#cancelConnect = undefined
  }

  #try(): void {
    const endpoint = this.#plan.next()
    if (typeof endpoint === 'number') {
      this.#fail(endpoint)
      return
    }
    this.#tries++
    this.#endpoint = endpoint
    const idle = this.#pool.take(endpoint, this.#plan.pool)
    this.#pooled = idle !== undefined
    if (idle !== undefined) {
      this.#send(idle, endpoint)
      return
    }
    this.#connectTimer = setTimeout(() => {
      this.#cancelConnect?.()
      this.#cancelConnect = undefined
      this.#failed('timeout', undefined)
    }, this.#plan.connectTimeout)
    this.#cancelConnect = this.#pool.open(endpoint, this.#plan.pool, {
      onConnect: (connection) => {
        clearTimeout(this.#connectTimer)
        this.#cancelConnect = undefined
        this.#send(connection, endpoint)
      },
      onError: (error) => {
        clearTimeout(this.#connectTimer)
        this.#cancelConnect = undefined
        this.#failed('connect', error)
      },
    })
  }

  #send(connection: UpstreamLink, endpoint: Endpoint): void {
    this.#connection = connection
    connection.attach(this)
    const { transport } = connection
    const { body, collected } = this.#exchange
    if (body.kind === 'none' && collected === undefined) {
      this.#bodySent = true
      connection.begin(this.#plan.head(endpoint), { body: false })
      connection.arm(this.#plan.readTimeout)
      return
    }
    connection.arm(this.#plan.sendTimeout)
    // Head and what has already arrived of the body leave together.
    transport.cork()
    this.#corked = true
    connection.begin(this.#plan.head(endpoint), { body: true })
    if (!this.#reading) {
      this.#reading = true
      this.#exchange.readBody(this)
    } else {
      for (const piece of this.#sent ?? []) this.#writeContent(piece)
      if (this.#bodySent) this.#finishBody()
      else this.#exchange.resumeBody()
    }
    if (!this.#exchange.connection.running) this.onBodyBatch()
  }

  onBodyBatch(): void {
    if (!this.#corked) return
    this.#corked = false
    if (this.#connection?.transport.uncork() === false) this.#exchange.pauseBody()
  }

  onBody(chunk: Buffer): void {
    const connection = this.#connection
    if (connection === undefined) return
    if (this.#sent !== undefined) {
      this.#sentBytes += chunk.length
      if (this.#sentBytes > REPLAY_LIMIT || this.#responding) this.#sent = undefined
      else this.#sent.push(Buffer.from(chunk))
    }
    if (!this.#responding) connection.arm(this.#plan.sendTimeout)
    if (!this.#writeContent(chunk)) this.#exchange.pauseBody()
  }

  #writeContent(chunk: Buffer): boolean {
    return (
      this.#connection?.content(chunk, { chunked: this.#exchange.chunksBody, corked: this.#corked }) ?? true
    )
  }

  onBodyEnd(trailers: FieldTable | undefined): void {
    this.#bodySent = true
    this.#trailers = trailers
    this.#finishBody()
  }

  #finishBody(): void {
    const connection = this.#connection
    if (connection === undefined) return
    connection.endBody({ chunked: this.#exchange.chunksBody, trailers: this.#trailers })
    connection.arm(this.#plan.readTimeout)
  }

  onWritable(): void {
    if (!this.#bodySent) this.#exchange.resumeBody()
  }

  onInterim(head: ResponseHead): void {
    // The client's own Expect was answered here, so the upstream's 100 answers nothing.
    if (head.status !== 100 && this.#exchange.request.minor === 1)
      this.#exchange.writer.raw(interimText(head))
  }

  onSwitch(head: ResponseHead, rest: Buffer): void {
    const connection = this.#connection
    this.#over = true
    this.#connection = undefined
    if (connection === undefined) return
    if (!this.#plan.upgrade || !this.#exchange.framing.upgrade) {
      connection.transport.destroy()
      this.#exchange.fail(502)
      return
    }
    if (this.#endpoint !== undefined) this.#plan.onResponse(this.#endpoint, 101)
    this.#leave()
    const exchange = this.#exchange
    const response = switchResponse(head)
    exchange.observer?.onResponse(response)
    exchange.status = 101
    exchange.writer.raw(switchText(response))
    exchange.connection.startTunnel(exchange, connection.transport, this.#plan.readTimeout)
    if (rest.length > 0) connection.transport.receiver.onData(rest, rest.length)
  }

  onHead(head: ResponseHead, framing: Framing): void {
    this.#responding = true
    this.#sent = undefined
    if (this.#endpoint !== undefined) this.#plan.onResponse(this.#endpoint, head.status)
    this.#exchange.begin(upstreamResponse(head, framing))
  }

  onContent(buffer: Buffer, start: number, end: number): void {
    this.#exchange.write(buffer, start, end)
  }

  onBatchEnd(): void {
    const connection = this.#connection
    if (connection === undefined) return
    if (this.#responding && !this.#exchange.flush()) {
      // While the client does not take it, the upstream is not to blame for silence.
      connection.transport.pause()
      connection.deadline = NEVER
    } else connection.arm(this.#plan.readTimeout)
  }

  onResponseEnd(trailers: FieldTable | undefined): void {
    const connection = this.#connection
    this.#over = true
    this.#leave()
    connection?.detach()
    this.#exchange.end(trailers)
    if (connection === undefined) return
    // What the client has not taken yet lies in this connection's buffer: it stays out of the pool until then.
    if (this.#exchange.ended) this.#release(connection)
    else connection.transport.pause()
  }

  #release(connection: UpstreamLink): void {
    this.#connection = undefined
    if (this.#bodySent) {
      connection.transport.resume()
      this.#pool.put(connection, this.#plan.pool)
    } else connection.destroy()
  }

  onBroken(reason: BreakKind, error: Error | undefined): void {
    this.#connection = undefined
    if (this.#responding) {
      this.#over = true
      if (this.#endpoint !== undefined) this.#plan.onFailure(this.#endpoint, reason, error)
      this.#leave()
      this.#exchange.cut()
      return
    }
    this.#failed(reason, error)
  }

  #failed(kind: FailureKind, error: Error | undefined): void {
    if (this.#over) return
    const endpoint = this.#endpoint
    this.#exchange.pauseBody()
    // Neither a kept-alive connection closed while idle nor a request refused unseen says anything about the server.
    const stale = kind === 'unprocessed' ? this.#refusals++ < FREE_REPEATS : this.#pooled && kind === 'closed'
    if (endpoint !== undefined && !stale) this.#plan.onFailure(endpoint, kind, error)
    this.#leave()
    const inTime = performance.now() < this.#plan.retryUntil
    if (kind !== 'malformed' && inTime && this.#mayRepeat(kind)) {
      if (stale) this.#tries--
      if (this.#tries < this.#plan.tries) {
        this.#try()
        return
      }
    }
    this.#fail(failureStatus(kind, error))
  }

  /** Nothing was sent yet, or sending it twice does no harm and we still have it. */
  #mayRepeat(kind: FailureKind): boolean {
    if (kind === 'unprocessed') return this.#sent !== undefined
    if (
      kind === 'connect' ||
      (kind === 'timeout' && !this.#reading && this.#connection === undefined && !this.#bodySent)
    )
      return true
    return IDEMPOTENT.has(this.method) && this.#sent !== undefined
  }

  #fail(status: number): void {
    this.#over = true
    this.#exchange.fail(status)
  }
}

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import {
  type Endpoint,
  type FailureKind,
  type ForwardPlan,
  type PoolSettings,
  writeRequestHead,
} from '../http/index.ts'
import { isSecure, type Server, type UpstreamGroup } from '../upstream/index.ts'
import type { RequestContext } from './context.ts'

/** A server reached by TLS or HTTP/2: that, and the name a handshake asks for, is part of what makes connections interchangeable. */
interface SpecialEndpoint extends Endpoint {
  readonly server: Server
}

function serverOf(endpoint: Endpoint): Server {
  return 'server' in endpoint ? (endpoint as SpecialEndpoint).server : (endpoint as Server)
}

/** One request's way to an upstream: chooses servers, writes the head for each, remembers what became of them. */
export class UpstreamPlan implements ForwardPlan {
  readonly method: string
  readonly retryUntil: number
  readonly connectTimeout: number
  readonly sendTimeout: number
  readonly readTimeout: number
  readonly pool: PoolSettings
  readonly upgrade: boolean
  readonly #context: RequestContext
  readonly #group: UpstreamGroup
  readonly #log: Logger
  #tried: Set<string> | undefined
  #last: Server | undefined
  readonly #tries: number

  constructor(context: RequestContext, group: UpstreamGroup, log: Logger) {
    this.#context = context
    this.#group = group
    this.#log = log
    const timeout = context.route?.timeout
    this.method = context.upstreamMethod
    this.#tries = group.retries + 1
    const limit = group.config.retry_timeout ?? 0
    this.retryUntil = limit > 0 ? performance.now() + limit * 1000 : Number.POSITIVE_INFINITY
    this.connectTimeout = timeout === undefined ? group.connectTimeout : timeout.connect * 1000
    this.sendTimeout = timeout === undefined ? group.sendTimeout : timeout.send * 1000
    this.readTimeout = timeout === undefined ? group.readTimeout : timeout.read * 1000
    this.pool = group.pool
    this.upgrade = (context.route?.websocket ?? false) && context.exchange.framing.upgrade
  }

  /** More if servers have come meanwhile. */
  get tries(): number {
    return Math.max(this.#tries, this.#group.retries + 1)
  }

  next(): Endpoint | number {
    if (this.#last !== undefined) (this.#tried ??= new Set()).add(this.#last.name)
    const group = this.#group
    if (group.servers.length === 0) return 503
    const server = group.pick(this.#context.variables, this.#tried)
    if (server === undefined) return 502
    this.#last = server
    group.begun(server)
    const context = this.#context
    context.upstreamAddr =
      context.upstreamAddr === '' ? server.name : `${context.upstreamAddr}, ${server.name}`
    context.upstreamStartedAt ||= performance.now()
    return group.plain ? server : this.#specialEndpoint(server)
  }

  #specialEndpoint(server: Server): SpecialEndpoint | number {
    const { tls, config, http2 } = this.#group
    const { host, port, name } = server
    if (!isSecure(config.scheme)) return { key: `${config.scheme}/${name}`, host, port, http2, server }
    if (typeof tls === 'number') return this.#unusable(server, tls)
    const servername = hostName(this.#hostFor(server))
    return {
      key: `${config.scheme}/${servername}/${tls.id}/${name}`,
      host,
      port,
      http2,
      tls: { servername, verify: tls.verify, context: tls.context },
      server,
    }
  }

  #unusable(server: Server, status: number): number {
    this.#group.ended(server)
    this.#log.error({ route: this.#context.route?.id }, 'the certificate towards the upstream is not there')
    return status
  }

  #hostFor(server: Server): string {
    const context = this.#context
    if (context.upstreamHost !== undefined) return context.upstreamHost
    const { config } = this.#group
    if (config.pass_host === 'rewrite' && config.upstream_host !== undefined) return config.upstream_host
    if (config.pass_host !== 'node') return context.rawHost
    const standard = isSecure(config.scheme) ? 443 : 80
    return server.port === standard ? server.name.slice(0, server.name.lastIndexOf(':')) : server.name
  }

  head(endpoint: Endpoint): string {
    const context = this.#context
    const { exchange } = context
    return writeRequestHead(exchange, {
      method: context.upstreamMethod,
      target: context.upstreamTarget,
      host: this.#hostFor(serverOf(endpoint)),
      upgrade: this.upgrade ? exchange.headers.get('upgrade') : undefined,
      clientAddress: context.remoteAddr,
      scheme: context.scheme,
      port: exchange.connection.transport.localPort,
      clientHost: context.rawHost,
      trusted: context.trustedPeer,
    })
  }

  onEnd(endpoint: Endpoint): void {
    this.#group.ended(serverOf(endpoint))
  }

  onFailure(endpoint: Endpoint, kind: FailureKind, error: Error | undefined): void {
    this.#group.failed(serverOf(endpoint), kind === 'timeout' ? 'timeout' : 'unreachable')
    this.#addStatus(kind === 'timeout' ? '504' : '502')
    this.#log.warn(
      {
        upstream: serverOf(endpoint).name,
        route: this.#context.route?.id,
        kind,
        ...(error === undefined ? {} : { error: error.message }),
      },
      'upstream failed',
    )
  }

  onResponse(endpoint: Endpoint, status: number): void {
    this.#addStatus(String(status))
    this.#context.upstreamMs = performance.now() - this.#context.upstreamStartedAt
    this.#group.answered(serverOf(endpoint), status, this.#context.upstreamMs)
  }

  #addStatus(status: string): void {
    const context = this.#context
    context.upstreamStatus = context.upstreamStatus === '' ? status : `${context.upstreamStatus}, ${status}`
  }
}

function hostName(host: string): string {
  const colon = host.lastIndexOf(':')
  return colon === -1 || host.endsWith(']') ? host : host.slice(0, colon)
}

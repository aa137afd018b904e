import type { Logger } from 'pino'
import type { ConnectionPool, Exchange, HeadFault, ServerHandler, Transport } from '../http/index.ts'
import type { ObjectChange } from '../objects/index.ts'
import {
  applyUriRules,
  type CanonicalUri,
  canonicalUri,
  type MatchInput,
  type UriRules,
} from '../route/index.ts'
import { StreamTable } from '../stream/index.ts'
import type { AccessLog } from './access-log.ts'
import { hasReadableBody } from './body-variables.ts'
import { RequestContext } from './context.ts'
import { hearPeer, type PeerRules } from './peers.ts'
import { Pipeline, type PipelineOptions } from './pipeline.ts'
import { Tables } from './tables.ts'
import type { TablesOptions } from './tables-options.ts'

export interface DataPlaneOptions extends TablesOptions {
  readonly pool: ConnectionPool
  readonly uriRules: UriRules | undefined
  readonly peers: PeerRules
  /** Bodies beyond this are not read for variables. */
  readonly readableBody: number
  readonly showUpstreamStatus: boolean
  readonly accessLog: AccessLog | undefined
  readonly log: Logger
}

/** Routes requests and proxies them. Knows objects, not where they come from. */
export class DataPlane implements ServerHandler {
  readonly tables: Tables
  readonly streams: StreamTable
  requests = 0
  readonly #pipeline: PipelineOptions
  readonly #peers: PeerRules
  readonly #bodyLimit: number
  readonly #uriRules: UriRules | undefined
  readonly #log: Logger

  constructor(options: DataPlaneOptions) {
    this.#uriRules = options.uriRules
    this.#peers = options.peers
    this.#bodyLimit = options.readableBody
    this.tables = new Tables(options)
    this.streams = new StreamTable(
      this.tables.upstreams,
      (owner) => this.tables.surroundings(owner),
      options.log,
    )
    this.#log = options.log
    this.#pipeline = {
      tables: this.tables,
      pool: options.pool,
      showUpstreamStatus: options.showUpstreamStatus,
      accessLog: options.accessLog,
      log: options.log,
    }
  }

  apply(changes: readonly ObjectChange[]): void {
    this.tables.apply(changes)
    this.streams.apply(changes)
  }

  onRequest(exchange: Exchange): void {
    this.requests++
    const named = authority(exchange)
    const uri = typeof named === 'number' ? undefined : this.canonical(named.target)
    if (typeof named === 'number' || uri === undefined) {
      // Whoever sends such a target is not trusted with a second request on the connection.
      exchange.keepAlive = false
      exchange.fail(typeof named === 'number' ? named : 400)
      return
    }
    if (this.#misdirected(exchange.connection.transport, named.host, uri.path)) {
      exchange.keepAlive = false
      exchange.fail(400)
      return
    }
    const context = new RequestContext(exchange, uri, named.host)
    hearPeer(context, this.#peers)
    if (this.tables.bodyUse.wanted && hasReadableBody(exchange, this.#bodyLimit)) this.#readBody(context)
    else this.#serve(context)
  }

  /** Reads the body first, as which route it is may depend on it. */
  #readBody(context: RequestContext): void {
    const { exchange } = context
    exchange.collectBody(this.#bodyLimit).then(
      () => {
        if (!exchange.ended) this.#serve(context)
      },
      () => exchange.fail(413),
    )
  }

  #serve(context: RequestContext): void {
    context.route = this.tables.router.find(this.#uriRules === undefined ? context : matchInput(context))
    new Pipeline(context, this.#pipeline).run()
  }

  /** The path of a target as routes see it; undefined if it has none. */
  canonical(target: string): (CanonicalUri & { readonly matchPath?: string }) | undefined {
    if (target === '*') return { path: '*', query: '', wire: '*' }
    const uri = canonicalUri(target)
    return uri === undefined || this.#uriRules === undefined ? uri : applyUriRules(uri, this.#uriRules)
  }

  /**
   * A client certificate was asked for under one name: it opens no other (host and SNI differ), and without it the name
   * opens only paths that are exempt.
   */
  #misdirected(transport: Transport, host: string, path: string): boolean {
    const { certificates } = this.tables
    if (!transport.encrypted || !certificates.mutual) return false
    const name = host.toLowerCase().replace(/:\d+$/, '')
    const asked = (transport.servername ?? '').toLowerCase()
    const credentials = certificates.find(asked)
    if (name !== asked && (credentials?.mutual === true || certificates.find(name)?.mutual === true))
      return true
    if (credentials === undefined || !credentials.mutual || transport.verified === true) return false
    return !credentials.exempt.some((regex) => regex.test(path))
  }

  onRefused(fault: HeadFault, transport: Transport): void {
    this.#log.info(
      { client: transport.remoteAddress, status: fault.status, reason: fault.reason },
      'request refused',
    )
  }

  /** Ends what goes on beside requests: health checks, names that are followed. Requests under way are not touched. */
  close(): void {
    this.tables.close()
    this.streams.close()
  }
}

/** Host and origin-form target of a request; a status if it has no business here. */
function authority(exchange: Exchange): { readonly host: string; readonly target: string } | number {
  const { request, framing } = exchange
  const { target } = request
  const host = framing.hostIndex === -1 ? '' : request.value(framing.hostIndex)
  if (target.charCodeAt(0) === 0x2f || (target === '*' && request.method === 'OPTIONS'))
    return { host, target }
  if (request.method === 'CONNECT') return 405
  const absolute = /^https?:\/\/([^/?@]+)(.*)$/i.exec(target)
  if (absolute === null) return 400
  // RFC 9112 §3.2.2: the authority of an absolute-form target replaces Host.
  const rest = absolute[2] as string
  return { host: absolute[1] as string, target: rest.startsWith('/') ? rest : `/${rest}` }
}

/** The request as routes compare it, where that is not how plugins see it. */
function matchInput(context: RequestContext): MatchInput {
  const { matchPath: path, host, hostPort, method, remoteAddr, variables } = context
  return { path, host, hostPort, method, remoteAddr, variables }
}

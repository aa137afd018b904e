import type { Exchange } from '../http/index.ts'
import type { Consumer, Route, Service, Upstream } from '../objects/index.ts'
import type { Note } from '../plugins/per-request.ts'
import { type CanonicalUri, parametersOf } from '../route/index.ts'
import type { UpstreamGroup } from '../upstream/index.ts'
import { BodyVariables } from './body-variables.ts'
import type { CompiledRoute } from './compiled-route.ts'
import { variable } from './variables.ts'

/** One request on its way through routing and plugins. */
export class RequestContext {
  readonly exchange: Exchange
  readonly method: string
  /** Canonical path ($uri). */
  readonly path: string
  /** What routes are compared with, if not the path itself. */
  readonly #matchPath: string | undefined
  /** Query without '?'. */
  readonly query: string
  /** Lower case, without and with port; `rawHost` as received. */
  readonly host: string
  readonly hostPort: string
  readonly rawHost: string
  /** The client's address; real-ip may replace it. */
  remoteAddr: string
  scheme: string
  /** The peer is one whose X-Forwarded-* are believed. */
  trustedPeer = false
  /** X-Forwarded-For of a peer that is not believed. */
  droppedForwardedFor: string | undefined
  route: CompiledRoute | undefined
  consumer: Consumer | undefined
  /** How the consumer proved who it is. */
  consumerPlugin: string | undefined
  /** What goes upstream; plugins rewrite these. */
  upstreamMethod: string
  upstreamTarget: string
  upstreamHost: string | undefined
  /** Plugins that do not run any more, as another one did their part. */
  skippedPlugins: Set<string> | undefined
  /** Chosen by traffic-split: an object of the Admin API's form, or an id. */
  chosenUpstream: UpstreamGroup | Upstream | string | undefined
  /** Fields of the answer, kept by plugins that log them: variables sent_http_<name>. */
  sentFields: Readonly<Record<string, string>> | undefined
  /** Filled while proxying. */
  upstreamAddr = ''
  upstreamStatus = ''
  upstreamStartedAt = 0
  upstreamMs = 0
  requestId: string | undefined
  /** Of the token jwt-auth accepted, if it was told to keep them: variables jwt_claim_<name>. */
  claims: Readonly<Record<string, unknown>> | undefined
  #body: BodyVariables | undefined
  /** Fields that plugins add to whatever is answered, before the header filters see it: name, value, name, value ... */
  responseFields: string[] | undefined
  /** What plugins keep (PerRequest). */
  notes: Note | undefined
  #variables: ((name: string) => string | number | undefined) | undefined

  constructor(exchange: Exchange, uri: CanonicalUri & { readonly matchPath?: string }, host: string) {
    this.exchange = exchange
    this.method = exchange.request.method
    this.path = uri.path
    this.#matchPath = uri.matchPath
    this.query = uri.query
    this.upstreamTarget = uri.wire
    this.upstreamMethod = this.method
    this.rawHost = host
    this.hostPort = host.toLowerCase()
    this.host = withoutPort(this.hostPort)
    const { transport } = exchange.connection
    this.remoteAddr = transport.remoteAddress
    this.scheme = transport.encrypted ? 'https' : 'http'
  }

  /** Reads variables by name; made when first asked for. */
  get variables(): (name: string) => string | number | undefined {
    this.#variables ??= (name) => variable(this, name)
    return this.#variables
  }

  get matchPath(): string {
    return this.#matchPath ?? this.path
  }

  /** A parameter of the route's path pattern. */
  uriParameter(name: string): string | undefined {
    return this.route === undefined
      ? undefined
      : parametersOf(this.route.parameters, this.matchPath)?.get(name)
  }

  /** What a variable finds in the body, if that was read. */
  bodyVariable(name: string): string | number | undefined {
    const { collected, headers, body } = this.exchange
    if (collected === undefined && body.kind !== 'none') return undefined
    this.#body ??= new BodyVariables(
      collected ?? Buffer.alloc(0),
      headers.get('content-type') ?? '',
      this.query,
    )
    return this.#body.read(name)
  }

  get routeObject(): Route | undefined {
    return this.route?.route
  }
  get service(): Service | undefined {
    return this.route?.service
  }

  /** Replaces $name and ${name} in a template by the values of variables; "" for unknown ones. */
  expand(template: string): string {
    if (!template.includes('$')) return template
    return template.replace(
      /\\\$|\$(?:\{([^}?]+?)(?:\s*\?\?\s*([^}]*))?\}|(post_arg(?:\.\w+)+|[A-Za-z_]\w*))/g,
      (whole, braced, fallback, bare) => {
        if (whole === '\\$') return '$'
        const value = this.variables(String(braced ?? bare).trim())
        return String(value ?? fallback ?? '')
      },
    )
  }
}

function withoutPort(host: string): string {
  if (host.startsWith('[')) {
    const close = host.indexOf(']')
    return close === -1 ? host : host.slice(0, close + 1)
  }
  const colon = host.indexOf(':')
  return colon === -1 ? host : host.slice(0, colon)
}

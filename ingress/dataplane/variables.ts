import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { queryArgument } from '../route/index.ts'
import type { RequestContext } from './context.ts'
import { TLS_VARIABLES } from './tls-variables.ts'

type Read = (context: RequestContext) => string | number | undefined

/** nginx's and APISIX's variables that make sense here. */
const VARIABLES: Readonly<Record<string, Read>> = {
  uri: (context) => context.path,
  request_uri: (context) => (context.query === '' ? context.path : `${context.path}?${context.query}`),
  real_request_uri: (context) => context.exchange.request.target,
  args: (context) => context.query,
  query_string: (context) => context.query,
  is_args: (context) => (context.query === '' ? '' : '?'),
  host: (context) => context.host,
  hostname: () => hostname(),
  document_uri: (context) => context.path,
  https: (context) => (context.scheme === 'https' ? 'on' : ''),
  ...TLS_VARIABLES,
  request_method: (context) => context.method,
  scheme: (context) => context.scheme,
  remote_addr: (context) => context.remoteAddr,
  remote_port: (context) => context.exchange.connection.transport.remotePort,
  server_addr: (context) => context.exchange.connection.transport.localAddress,
  server_port: (context) => context.exchange.connection.transport.localPort,
  server_name: (context) => context.host,
  server_protocol: protocol,
  content_type: (context) => context.exchange.headers.get('content-type'),
  content_length: (context) => context.exchange.headers.get('content-length'),
  route_id: (context) => context.route?.id,
  route_name: (context) => context.route?.route.name,
  service_id: (context) => context.service?.id,
  service_name: (context) => context.service?.name,
  consumer_name: (context) => context.consumer?.username,
  consumer_group_id: (context) => context.consumer?.group_id,
  balancer_ip: (context) => context.upstreamAddr.slice(0, Math.max(0, context.upstreamAddr.lastIndexOf(':'))),
  balancer_port: (context) => context.upstreamAddr.slice(context.upstreamAddr.lastIndexOf(':') + 1),
  upstream_addr: (context) => context.upstreamAddr,
  upstream_status: (context) => context.upstreamStatus,
  upstream_unresolved_host: (context) => unresolvedHost(context.upstreamAddr),
  status: (context) => context.exchange.status,
  bytes_sent: (context) => context.exchange.writer.bytes,
  body_bytes_sent: (context) => context.exchange.writer.bytes,
  request_length: (context) => context.exchange.bytesReceived,
  request: (context) => {
    const { method, target } = context.exchange.request
    return `${method} ${target} ${protocol(context)}`
  },
  request_time: (context) => seconds(performance.now() - context.exchange.startedAt),
  upstream_response_time: (context) =>
    context.upstreamStartedAt === 0 ? undefined : seconds(context.upstreamMs),
  upstream_scheme: () => 'http',
  upstream_host: (context) => context.upstreamHost ?? context.rawHost,
  upstream_uri: (context) => context.upstreamTarget,
  http_host: (context) => context.rawHost,
  msec: () => seconds(Date.now()),
  time_iso8601: () => new Date().toISOString().replace(/\.\d+Z$/, '+00:00'),
  time_local: () => localTime(new Date()),
  remote_user: (context) => basicUser(context.exchange.headers.get('authorization')),
  apisix_request_id: (context) => context.requestId,
  request_id: (context) => context.requestId,
  original_x_forwarded_for: (context) =>
    context.droppedForwardedFor ?? context.exchange.headers.get('x-forwarded-for'),
}

function protocol({ exchange: { connection, request } }: RequestContext): string {
  return `HTTP/${connection.version ?? `1.${request.minor}`}`
}

/** The name of the last server tried, if it has one. */
function unresolvedHost(addresses: string): string | undefined {
  const last = addresses.slice(addresses.lastIndexOf(' ') + 1)
  const host = last.slice(0, Math.max(0, last.lastIndexOf(':')))
  return host === '' || host.startsWith('[') || isIP(host) !== 0 ? undefined : host
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}

/** nginx's `21/Nov/2026:12:00:00 +0000`; in UTC, wherever the machine is. */
function localTime(date: Date): string {
  const [, day, month, year, time] = date.toUTCString().split(' ')
  return `${day}/${month}/${year}:${time} +0000`
}

/** The name in a Basic authorization field. */
function basicUser(authorization: string | undefined): string | undefined {
  const match = /^basic +(\S+)$/i.exec(authorization ?? '')
  return match === null
    ? undefined
    : Buffer.from(match[1] ?? '', 'base64')
        .toString('utf8')
        .split(':')[0]
}

function cookie(context: RequestContext, name: string): string | undefined {
  const header = context.exchange.headers.get('cookie')
  if (header === undefined) return undefined
  for (const part of header.split(/[;,]/)) {
    const equals = part.indexOf('=')
    if (equals !== -1 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim()
  }
  return undefined
}

/** The value of a variable by name without '$'; undefined if there is no such thing in this request. */
export function variable(context: RequestContext, name: string): string | number | undefined {
  const read = VARIABLES[name]
  if (read !== undefined) return read(context)
  if (name.startsWith('arg_')) return queryArgument(context.query, name.slice(4))
  if (name.startsWith('http_')) {
    const { headers } = context.exchange
    const field = name.slice(5)
    // A field's own underscores are as good as dashes here.
    return headers.get(field.replaceAll('_', '-')) ?? (field.includes('_') ? headers.get(field) : undefined)
  }
  if (name.startsWith('sent_http_')) return context.sentFields?.[name.slice(10).replaceAll('_', '-')]
  if (name.startsWith('post_arg') || name.startsWith('graphql_')) return context.bodyVariable(name)
  if (name.startsWith('uri_param_')) return context.uriParameter(name.slice(10))
  if (name.startsWith('jwt_claim_')) {
    const claim = context.claims?.[name.slice(10)]
    return typeof claim === 'string' || typeof claim === 'number' ? claim : undefined
  }
  if (name.startsWith('cookie_')) return cookie(context, name.slice(7))
  return undefined
}

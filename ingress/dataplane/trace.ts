import { type MatchInput, parametersOf, queryArgument } from '../route/index.ts'
import type { DataPlane } from './data-plane.ts'

/** A request that is only asked about. */
export interface TraceRequest {
  readonly method: string
  /** `http://host[:port]/path?query`, or a path with the host among the headers. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly remoteAddress: string
}

export interface RequestTrace {
  readonly method: string
  readonly host: string
  /** As routes see it. */
  readonly path: string
  /** The routes whose path fits, in the order they are tried, each with why it was passed over; the last may be taken. */
  readonly steps: readonly {
    readonly host: string
    readonly uri: string
    readonly priority: number
    readonly route: string
    readonly name: string
    readonly result: string
  }[]
  readonly route: string
  readonly plugins: readonly string[]
  readonly upstream: string
  readonly nodes: readonly string[]
  readonly summary: string
}

function cookie(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const [key = '', ...value] = part.split('=')
    if (key.trim() === name) return value.join('=').trim()
  }
  return undefined
}

/** Which route a request would take and why. Bodies and connections are not there, so conditions on them do not hold. */
export function traceRequest(plane: DataPlane, request: TraceRequest): RequestTrace {
  const { method, remoteAddress } = request
  const { tables } = plane
  const headers = new Map(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]))
  const absolute = /^(https?):\/\/([^/?#]+)([^#]*)/i.exec(request.url)
  const scheme = absolute?.[1]?.toLowerCase() ?? 'http'
  const hostPort = (absolute?.[2] ?? headers.get('host') ?? '').toLowerCase()
  const target = absolute === null ? request.url : absolute[3] === '' ? '/' : (absolute[3] ?? '/')
  const uri = plane.canonical(target.startsWith('?') ? `/${target}` : target)
  const host = hostPort.replace(/:\d+$/, '')
  const nothing = { steps: [], route: '', plugins: [], upstream: '', nodes: [] }
  if (uri === undefined)
    return { method, host, path: target, ...nothing, summary: '400: the path is not one (see route/uri.ts)' }
  const variables = (name: string): string | number | undefined => {
    if (name.startsWith('arg_')) return queryArgument(uri.query, name.slice(4))
    if (name.startsWith('http_')) return headers.get(name.slice(5).replaceAll('_', '-'))
    if (name.startsWith('cookie_')) return cookie(headers.get('cookie'), name.slice(7))
    const known: Readonly<Record<string, string>> = {
      uri: uri.path,
      request_uri: uri.query === '' ? uri.path : `${uri.path}?${uri.query}`,
      args: uri.query,
      query_string: uri.query,
      host,
      request_method: method,
      remote_addr: remoteAddress,
      scheme,
    }
    return known[name]
  }
  const input: MatchInput = {
    path: uri.matchPath ?? uri.path,
    host,
    hostPort,
    method,
    remoteAddr: remoteAddress,
    variables,
  }
  const { candidates, target: taken } = tables.router.explain(input)
  const steps = candidates.map(({ host: on, pattern, priority, target: one, refused }) => ({
    host: on,
    uri: pattern,
    priority,
    route: one.id,
    name: one.route.name ?? '',
    result: refused ?? 'taken',
  }))
  const asked = { method, host, path: uri.path, steps }
  if (taken === undefined) return { ...asked, ...nothing, steps, summary: '404: no route' }
  const group = taken.upstreamId === undefined ? taken.inline : tables.upstreams.get(taken.upstreamId)
  const upstream = group?.config.name ?? taken.upstreamId ?? ''
  const nodes = group?.servers.map((server) => server.name) ?? []
  const parameters = [...(parametersOf(taken.parameters, input.path) ?? [])].map((pair) => pair.join(' = '))
  const suffix = parameters.length === 0 ? '' : `, with ${parameters.join(', ')}`
  const summary =
    taken.broken === undefined
      ? `route ${taken.id}${taken.route.name === undefined ? '' : ` (${taken.route.name})`} -> ${upstream || 'its own upstream'}, ${nodes.length} servers${suffix}`
      : `${taken.broken}: something route ${taken.id} refers to is missing`
  return { ...asked, route: taken.id, plugins: Object.keys(taken.plugins), upstream, nodes, summary }
}

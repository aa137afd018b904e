import type { Logger } from 'pino'
import {
  isObject,
  type ObjectChange,
  type Service,
  type StreamRoute,
  type Upstream,
} from '../objects/index.ts'
import { AddressSet } from '../route/index.ts'
import { UpstreamGroup, type UpstreamSurroundings } from '../upstream/index.ts'
import { STREAM_PLUGINS } from './plugin-names.ts'

/** What is known of a connection or UDP session when its route is looked for. */
export interface StreamPeer {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** Name of the TLS handshake, undefined where there was none. */
  readonly sni: string | undefined
}

/** A stream route ready for use. */
export interface CompiledStream {
  readonly id: string
  readonly route: StreamRoute
  readonly group: UpstreamGroup | undefined
  readonly upstreamId: string | undefined
  readonly remote: AddressSet | undefined
  readonly server: AddressSet | undefined
  readonly allowed: (address: string) => boolean
}

interface Groups {
  get(id: string): UpstreamGroup | undefined
}

const ANYBODY = () => true

/** The stream routes. Among those that match, one that names more of the connection wins; then the older one. */
export class StreamTable {
  readonly #upstreams: Groups
  readonly #log: Logger
  readonly #surroundings: (owner: string) => UpstreamSurroundings
  readonly #routes = new Map<string, StreamRoute>()
  readonly #services = new Map<string, Service>()
  readonly #compiled = new Map<string, CompiledStream>()

  constructor(upstreams: Groups, surroundings: (owner: string) => UpstreamSurroundings, log: Logger) {
    this.#surroundings = surroundings
    this.#upstreams = upstreams
    this.#log = log
  }

  get size(): number {
    return this.#compiled.size
  }

  /** Whether a name may decide on this port, so that the handshake is worth waiting for. */
  usesNames(port: number): boolean {
    for (const { route } of this.#compiled.values()) {
      if (route.sni !== undefined && (route.server_port ?? port) === port) return true
    }
    return false
  }

  apply(changes: readonly ObjectChange[]): void {
    for (const change of changes) {
      if (change.kind === 'services') {
        if (change.value === undefined) this.#services.delete(change.id)
        else this.#services.set(change.id, change.value)
        for (const [id, route] of this.#routes)
          if (String(route.service_id) === change.id) this.#compile(id, route)
      }
      if (change.kind !== 'stream_routes') continue
      if (change.value === undefined) {
        this.#compiled.get(change.id)?.group?.retire()
        this.#compiled.delete(change.id)
        this.#routes.delete(change.id)
      } else {
        this.#routes.set(change.id, change.value)
        this.#compile(change.id, change.value)
      }
    }
  }

  #compile(id: string, route: StreamRoute): void {
    try {
      const service =
        route.service_id === undefined ? undefined : this.#services.get(String(route.service_id))
      const upstreamId =
        route.upstream_id ?? (route.upstream === undefined ? service?.upstream_id : undefined)
      const inline = route.upstream ?? (route.upstream_id === undefined ? service?.upstream : undefined)
      this.#compiled.set(id, {
        id,
        route,
        group: inline === undefined ? undefined : this.#group(id, inline, this.#compiled.get(id)?.group),
        upstreamId: upstreamId === undefined ? undefined : String(upstreamId),
        remote: route.remote_addr === undefined ? undefined : new AddressSet([route.remote_addr]),
        server: route.server_addr === undefined ? undefined : new AddressSet([route.server_addr]),
        allowed: restriction(route),
      })
    } catch (error) {
      this.#log.error(
        { object: `stream_routes/${id}`, err: error },
        'stream route does not compile, keeping the last good one',
      )
    }
  }

  #group(id: string, config: Upstream, before: UpstreamGroup | undefined): UpstreamGroup {
    if (before === undefined) return new UpstreamGroup(config, this.#surroundings(`stream_routes/${id}`))
    before.update(config)
    return before
  }

  find(peer: StreamPeer): CompiledStream | undefined {
    let best: CompiledStream | undefined
    let bestScore = -1
    for (const one of this.#compiled.values()) {
      const score = matches(one, peer)
      if (score > bestScore) {
        best = one
        bestScore = score
      }
    }
    return best
  }

  groupOf({ group, upstreamId }: CompiledStream): UpstreamGroup | undefined {
    return group ?? (upstreamId === undefined ? undefined : this.#upstreams.get(upstreamId))
  }

  close(): void {
    for (const { group } of this.#compiled.values()) group?.close()
  }
}

/** How much of the connection the route names, -1 if it does not match. */
function matches({ route, remote, server }: CompiledStream, peer: StreamPeer): number {
  let score = 0
  if (route.sni !== undefined) {
    const named = nameScore(route.sni.toLowerCase(), peer.sni)
    if (named === 0) return -1
    score += 10 * named
  }
  if (route.server_port !== undefined) {
    if (route.server_port !== peer.localPort) return -1
    score += 4
  }
  if (server !== undefined) {
    if (!server.has(peer.localAddress)) return -1
    score += 2
  }
  if (remote !== undefined) {
    if (!remote.has(peer.remoteAddress)) return -1
    score += 1
  }
  return score
}

/** 2 for the name itself, 1 for a wildcard over it. */
function nameScore(pattern: string, sni: string | undefined): number {
  if (sni === undefined || sni === '') return 0
  if (pattern === sni) return 2
  return pattern === '*' || (pattern.startsWith('*.') && sni.endsWith(pattern.slice(1))) ? 1 : 0
}

/** Who may connect. Plugins that streams do not have are an error. */
function restriction({ plugins }: StreamRoute): (address: string) => boolean {
  for (const name of Object.keys(plugins ?? {})) {
    if (!STREAM_PLUGINS.includes(name)) throw new Error(`plugin ${name} is not available for streams`)
  }
  const conf = plugins?.['ip-restriction']
  if (!isObject(conf)) return ANYBODY
  const list = (value: unknown) => (Array.isArray(value) ? new AddressSet(value.map(String)) : undefined)
  const [white, black] = [list(conf.whitelist), list(conf.blacklist)]
  return (address) => black?.has(address) !== true && white?.has(address) !== false
}

import { AddressSet } from './addresses.ts'
import { compileExpression, type Expression, type Variables } from './expression.ts'
import { PathTable } from './path-table.ts'

export type RouterMode = 'radixtree_uri' | 'radixtree_host_uri' | 'radixtree_uri_with_parameter'

/** What a route asks of a request. */
export interface RouteMatch {
  readonly uris: readonly string[]
  readonly hosts: readonly string[]
  readonly methods: readonly string[]
  readonly remoteAddrs: readonly string[]
  readonly vars: readonly unknown[]
  readonly priority: number
}

export interface MatchInput {
  readonly path: string
  /** Lower case, without and with the port. */
  readonly host: string
  readonly hostPort: string
  readonly method: string
  readonly remoteAddr: string
  readonly variables: Variables
}

interface Entry<T> {
  readonly target: T
  readonly match: RouteMatch
  readonly methods: ReadonlySet<string> | undefined
  readonly addresses: AddressSet | undefined
  readonly vars: Expression | undefined
  readonly hosts: readonly string[]
}

export interface Explained<T> {
  readonly host: string
  readonly pattern: string
  readonly priority: number
  readonly target: T
  /** undefined: it was taken. */
  readonly refused: string | undefined
}

/**
 * Finds the route of a request: a table of paths per host. Adding and removing a route touches only the tables of its own
 * hosts, whatever the number of others (APISIX rebuilds the tree of every worker).
 */
export class Router<T> {
  /** The host has tables of its own, rather than being one more condition. */
  readonly #byHost: boolean
  readonly #tableOptions: { readonly parameters: boolean }
  readonly #exactHosts = new Map<string, PathTable<Entry<T>>>()
  /** By what follows the '*' of the pattern. */
  readonly #wildcardHosts = new Map<string, PathTable<Entry<T>>>()
  readonly #anyHost: PathTable<Entry<T>>
  readonly #entries = new Map<string, Entry<T>>()
  #order = 0
  /** The request being matched; one function over it serves every lookup, so that none is made per request. */
  #input: MatchInput | undefined
  readonly #accept = (candidate: { readonly route: Entry<T> }): boolean =>
    this.#input !== undefined && this.#accepts(candidate.route, this.#input)

  constructor(mode: RouterMode = 'radixtree_host_uri') {
    this.#byHost = mode === 'radixtree_host_uri'
    this.#tableOptions = { parameters: mode === 'radixtree_uri_with_parameter' }
    this.#anyHost = new PathTable(this.#tableOptions)
  }

  get size(): number {
    return this.#entries.size
  }

  /** Adds or replaces the route of an id. Throws (ExpressionError, Error) if its conditions do not compile. */
  set(id: string, match: RouteMatch, target: T): void {
    const entry: Entry<T> = {
      target,
      match,
      methods: match.methods.length === 0 ? undefined : new Set(match.methods),
      addresses: match.remoteAddrs.length === 0 ? undefined : new AddressSet(match.remoteAddrs),
      vars: match.vars.length === 0 ? undefined : compileExpression(match.vars),
      hosts: match.hosts.map((host) => host.toLowerCase()),
    }
    this.delete(id)
    this.#entries.set(id, entry)
    const order = this.#order++
    for (const table of this.#tablesOf(entry)) {
      for (const uri of match.uris) table.add(uri, entry, { priority: match.priority, order })
    }
  }

  delete(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    for (const table of this.#tablesOf(entry)) for (const uri of entry.match.uris) table.remove(uri, entry)
    for (const host of entry.hosts) {
      const [tables, key] = this.#place(host)
      if (tables?.get(key)?.size === 0) tables.delete(key)
    }
  }

  #place(host: string): [Map<string, PathTable<Entry<T>>> | undefined, string] {
    if (!this.#byHost || host === '*') return [undefined, '']
    return host.startsWith('*') ? [this.#wildcardHosts, host.slice(1)] : [this.#exactHosts, host]
  }

  #tablesOf(entry: Entry<T>): Set<PathTable<Entry<T>>> {
    if (entry.hosts.length === 0) return new Set([this.#anyHost])
    const found = new Set<PathTable<Entry<T>>>()
    for (const host of entry.hosts) {
      const [tables, key] = this.#place(host)
      let table = tables === undefined ? this.#anyHost : tables.get(key)
      if (table === undefined) {
        table = new PathTable(this.#tableOptions)
        tables?.set(key, table)
      }
      found.add(table)
    }
    return found
  }

  /** Exact host, then ever less specific wildcards, then routes for any host; in each the path table's order. */
  find(input: MatchInput): T | undefined {
    this.#input = input
    const accept = this.#accept
    const exact =
      this.#exactHosts.get(input.host) ??
      (input.hostPort === input.host ? undefined : this.#exactHosts.get(input.hostPort))
    let found = exact?.find(input.path, accept)
    if (found === undefined && this.#wildcardHosts.size > 0) found = this.#findWildcard(input, accept)
    found ??= this.#anyHost.find(input.path, accept)
    return found?.target
  }

  #findWildcard(
    input: MatchInput,
    accept: (candidate: { readonly route: Entry<T> }) => boolean,
  ): Entry<T> | undefined {
    const { host } = input
    // Suffixes from the longest: '.b.example.org' before '.example.org'; '*' stands for at least one byte.
    for (let at = 1; at < host.length; at++) {
      const table = this.#wildcardHosts.get(host.slice(at))
      const found = table?.find(input.path, accept)
      if (found !== undefined) return found
    }
    return undefined
  }

  #accepts(entry: Entry<T>, input: MatchInput): boolean {
    if (entry.methods !== undefined && !entry.methods.has(input.method)) return false
    if (entry.addresses !== undefined && !entry.addresses.has(input.remoteAddr)) return false
    if (!this.#byHost && entry.hosts.length > 0 && !hostMatches(entry.hosts, input)) return false
    return entry.vars === undefined || entry.vars(input.variables)
  }

  /** As `find`, telling of every route whose path fits why it was passed over, in the order they are tried. */
  explain(input: MatchInput): {
    readonly target: T | undefined
    readonly candidates: readonly Explained<T>[]
  } {
    const candidates: Explained<T>[] = []
    const on =
      (host: string) =>
      (candidate: { readonly route: Entry<T>; readonly pattern: string; readonly priority: number }) => {
        const { route, pattern, priority } = candidate
        const refused = this.#refusal(route, input)
        candidates.push({ host, pattern, priority, target: route.target, refused })
        return refused === undefined
      }
    const name = this.#exactHosts.has(input.host) ? input.host : input.hostPort
    let found = this.#exactHosts.get(name)?.find(input.path, on(name))
    for (let at = 1; at < input.host.length && found === undefined; at++) {
      const suffix = input.host.slice(at)
      found = this.#wildcardHosts.get(suffix)?.find(input.path, on(`*${suffix}`))
    }
    found ??= this.#anyHost.find(input.path, on('*'))
    return { target: found?.target, candidates }
  }

  #refusal(entry: Entry<T>, input: MatchInput): string | undefined {
    if (entry.methods !== undefined && !entry.methods.has(input.method))
      return `methods are ${[...entry.methods].join(', ')}`
    if (entry.addresses !== undefined && !entry.addresses.has(input.remoteAddr))
      return `${input.remoteAddr} is not among remote_addrs`
    if (this.#accepts(entry, input)) return undefined
    return entry.vars !== undefined && !entry.vars(input.variables)
      ? `vars do not hold: ${JSON.stringify(entry.match.vars)}`
      : `hosts are ${entry.hosts.join(', ')}`
  }

  /** The routes by host and pattern, in the order they are tried. */
  *describe(): Iterable<{ host: string; pattern: string; priority: number; target: T }> {
    const tables = [
      ...[...this.#exactHosts].map(([host, table]) => ({ host, table })),
      ...[...this.#wildcardHosts]
        .sort(([a], [b]) => b.length - a.length)
        .map(([suffix, table]) => ({ host: `*${suffix}`, table })),
      { host: '*', table: this.#anyHost },
    ]
    for (const { host, table } of tables) {
      for (const { pattern, priority, route } of table.list())
        yield { host, pattern, priority, target: route.target }
    }
  }
}

function hostMatches(hosts: readonly string[], input: MatchInput): boolean {
  return hosts.some((pattern) => {
    const host = pattern.includes(':') ? input.hostPort : input.host
    return pattern.startsWith('*')
      ? host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
      : host === pattern
  })
}

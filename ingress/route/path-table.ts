import { compileParameters, firstParameter } from './path-parameters.ts'

/** A route under one of its path patterns. */
export interface Candidate<R> {
  readonly route: R
  readonly pattern: string
  readonly priority: number
  readonly order: number
  /** For a parameter, or a '*' that is not the last byte: the whole pattern as a regex. */
  readonly rest: RegExp | undefined
}

interface Node<R> {
  label: string
  candidates: Candidate<R>[]
  children: Map<number, Node<R>>
}

function compare<R>(a: Candidate<R>, b: Candidate<R>): number {
  return b.priority - a.priority || b.pattern.length - a.pattern.length || a.order - b.order
}

function insertSorted<R>(list: Candidate<R>[], candidate: Candidate<R>): void {
  const at = list.findIndex((other) => compare(candidate, other) < 0)
  if (at === -1) list.push(candidate)
  else list.splice(at, 0, candidate)
}

function commonLength(a: string, b: string): number {
  const limit = Math.min(a.length, b.length)
  let at = 0
  while (at < limit && a.charCodeAt(at) === b.charCodeAt(at)) at++
  return at
}

/**
 * Path patterns as lua-resty-radixtree orders them: exact ones in a hash and first; then the longest prefix before the
 * first '*'; priority decides only inside one exact path or one prefix. Lookup is linear in the length of the path.
 */
export class PathTable<R> {
  readonly #exact = new Map<string, Candidate<R>[]>()
  readonly #root: Node<R> = { label: '', candidates: [], children: new Map() }
  readonly #parameters: boolean
  size = 0

  /** `parameters`: segments that begin with ':' stand for any. */
  constructor(options: { readonly parameters: boolean } = { parameters: false }) {
    this.#parameters = options.parameters
  }

  /** Where the part of a pattern that is taken literally ends; -1 if all of it is. */
  #literalEnd(pattern: string): number {
    return this.#parameters ? firstParameter(pattern) : pattern.indexOf('*')
  }

  #regex(pattern: string): RegExp {
    return this.#parameters ? compileParameters(pattern).regex : patternRegex(pattern)
  }

  add(pattern: string, route: R, options: { readonly priority: number; readonly order: number }): void {
    this.size++
    const star = this.#literalEnd(pattern)
    const plain = star === -1 || (star === pattern.length - 1 && pattern[star] === '*')
    const rest = plain ? undefined : this.#regex(pattern)
    const candidate: Candidate<R> = { route, pattern, rest, ...options }
    if (star === -1) {
      const list = this.#exact.get(pattern)
      if (list === undefined) this.#exact.set(pattern, [candidate])
      else insertSorted(list, candidate)
    } else insertSorted(this.#node(pattern.slice(0, star)).candidates, candidate)
  }

  /** The node of a prefix, made by splitting where needed. */
  #node(prefix: string): Node<R> {
    let node = this.#root
    let pos = 0
    while (pos < prefix.length) {
      const code = prefix.charCodeAt(pos)
      const child = node.children.get(code)
      if (child === undefined) {
        const leaf: Node<R> = { label: prefix.slice(pos), candidates: [], children: new Map() }
        node.children.set(code, leaf)
        return leaf
      }
      const shared = commonLength(child.label, prefix.slice(pos))
      if (shared < child.label.length) {
        const lower: Node<R> = { ...child, label: child.label.slice(shared) }
        child.label = child.label.slice(0, shared)
        child.candidates = []
        child.children = new Map([[lower.label.charCodeAt(0), lower]])
      }
      pos += shared
      node = child
    }
    return node
  }

  remove(pattern: string, route: R): void {
    const star = this.#literalEnd(pattern)
    if (star === -1) {
      const list = this.#exact.get(pattern)
      if (list !== undefined && this.#drop(list, pattern, route) && list.length === 0)
        this.#exact.delete(pattern)
    } else this.#prune(this.#root, pattern.slice(0, star), pattern, route)
  }

  #drop(list: Candidate<R>[], pattern: string, route: R): boolean {
    const at = list.findIndex((candidate) => candidate.route === route && candidate.pattern === pattern)
    if (at === -1) return false
    list.splice(at, 1)
    this.size--
    return true
  }

  /** Removes below `node` and takes away nodes that then lead nowhere. */
  #prune(node: Node<R>, prefix: string, pattern: string, route: R): void {
    if (prefix === '') {
      this.#drop(node.candidates, pattern, route)
      return
    }
    const child = node.children.get(prefix.charCodeAt(0))
    if (child === undefined || !prefix.startsWith(child.label)) return
    this.#prune(child, prefix.slice(child.label.length), pattern, route)
    if (child.candidates.length === 0 && child.children.size === 0)
      node.children.delete(child.label.charCodeAt(0))
  }

  /** The first candidate, in the order of precedence, that `accept` takes. */
  find(path: string, accept: (candidate: Candidate<R>) => boolean): R | undefined {
    // A lookup has to hash the path, which is new in every request.
    const exact = this.#exact.size === 0 ? undefined : this.#exact.get(path)
    if (exact !== undefined) for (const candidate of exact) if (accept(candidate)) return candidate.route
    return this.#descend(this.#root, path, 0, accept)
  }

  #descend(
    node: Node<R>,
    path: string,
    pos: number,
    accept: (candidate: Candidate<R>) => boolean,
  ): R | undefined {
    const child = pos < path.length ? node.children.get(path.charCodeAt(pos)) : undefined
    if (child !== undefined && path.startsWith(child.label, pos)) {
      const deeper = this.#descend(child, path, pos + child.label.length, accept)
      if (deeper !== undefined) return deeper
    }
    for (const candidate of node.candidates) {
      if (candidate.rest !== undefined && !candidate.rest.test(path)) continue
      if (accept(candidate)) return candidate.route
    }
    return undefined
  }

  /** Every candidate in order of precedence per pattern, for `describeRoutes`. */
  *list(): Iterable<Candidate<R>> {
    for (const list of this.#exact.values()) yield* list
    yield* walk(this.#root)
  }
}

function* walk<R>(node: Node<R>): Iterable<Candidate<R>> {
  for (const child of node.children.values()) yield* walk(child)
  yield* node.candidates
}

function patternRegex(pattern: string): RegExp {
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*')
  return new RegExp(`^${source}$`, 's')
}

import type { Upstream } from '../objects/index.ts'
import { UpstreamGroup, type UpstreamSurroundings } from '../upstream/index.ts'

/** The upstreams at run time: those of `upstreams` objects, and those that a route or service holds itself. */
export class UpstreamGroups {
  /** By the id of the `upstreams` object. */
  readonly named = new Map<string, UpstreamGroup>()
  /** By owner, `services/1`: the routes of a service share its upstream, and what is known of its servers. */
  readonly #held = new Map<string, UpstreamGroup>()
  readonly #surroundings: (owner: string) => UpstreamSurroundings

  constructor(surroundings: (owner: string) => UpstreamSurroundings) {
    this.#surroundings = surroundings
  }

  set(id: string, config: Upstream | undefined): void {
    if (config !== undefined) {
      this.#put(this.named, id, `upstreams/${id}`, config)
      return
    }
    this.named.get(id)?.retire()
    this.named.delete(id)
  }

  /** The upstream its owner holds, with this configuration now. */
  hold(owner: string, config: Upstream): UpstreamGroup {
    return this.#put(this.#held, owner, owner, config)
  }

  /** The owner holds none any more. */
  release(owner: string): void {
    this.#held.get(owner)?.retire()
    this.#held.delete(owner)
  }

  #put(groups: Map<string, UpstreamGroup>, key: string, owner: string, config: Upstream): UpstreamGroup {
    const known = groups.get(key)
    if (known !== undefined) {
      known.update(config)
      return known
    }
    const made = new UpstreamGroup(config, this.#surroundings(owner))
    groups.set(key, made)
    return made
  }

  /** Every upstream there is, by the object that has it. */
  *all(): Iterable<readonly [owner: string, group: UpstreamGroup]> {
    for (const [id, group] of this.named) yield [`upstreams/${id}`, group]
    yield* this.#held
  }

  /** Ends health checks and the following of names. */
  close(): void {
    for (const [, group] of this.all()) group.close()
  }
}

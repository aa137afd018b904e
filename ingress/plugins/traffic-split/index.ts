import { type JsonObject, type Schema, UPSTREAM, type Upstream } from '../../objects/index.ts'
import { compileExpression } from '../../route/index.ts'
import { UpstreamGroup } from '../../upstream/index.ts'
import type { OwnedState, Plugin, PluginEnvironment } from '../plugin.ts'
import { type Weighted, weightedChoice } from '../weighted-choice.ts'

interface Choice {
  readonly upstream_id?: string | number
  readonly upstream?: Upstream
  readonly weight: number
}

interface Rule {
  readonly match?: readonly { readonly vars: readonly unknown[] }[]
  readonly weighted_upstreams: readonly Choice[]
}

const CHOICE: Schema = {
  type: 'object',
  properties: {
    upstream_id: {},
    upstream: UPSTREAM,
    weight: { type: 'integer', minimum: 0, default: 1 },
  },
}

function rulesOf(conf: JsonObject): readonly Rule[] {
  return (conf.rules ?? []) as readonly Rule[]
}

interface Share extends Weighted {
  /** undefined: the route's own upstream. */
  readonly target: UpstreamGroup | string | undefined
}

/** Sends shares of a route's traffic to other upstreams (canary, blue-green). */
export const trafficSplit: Plugin = {
  name: 'traffic-split',
  priority: 966,
  schema: {
    type: 'object',
    properties: {
      rules: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            match: { type: 'array', items: { type: 'object', properties: { vars: { type: 'array' } } } },
            weighted_upstreams: {
              type: 'array',
              items: CHOICE,
              minItems: 1,
              maxItems: 20,
              default: [{ weight: 1 }],
            },
          },
        },
      },
    },
  },
  check(conf) {
    try {
      for (const rule of rulesOf(conf)) for (const { vars } of rule.match ?? []) compileExpression(vars)
      return undefined
    } catch (error) {
      return `failed to validate the 'vars' expression: ${error instanceof Error ? error.message : String(error)}`
    }
  },
  compile(conf, environment) {
    const inline = inlineGroups(environment)
    inline.begin()
    const rules = rulesOf(conf).map((rule) => ({
      conditions: (rule.match ?? []).map(({ vars }) => compileExpression(vars)),
      shares: rule.weighted_upstreams.map(({ upstream, upstream_id, weight }): Share => {
        const group = upstream === undefined ? undefined : inline.take(upstream, environment)
        return { target: upstream_id === undefined ? group : String(upstream_id), weight, current: 0 }
      }),
    }))
    inline.finish()
    /** A share whose upstream has no server now is given to the others. */
    const usable = ({ target }: Share, own: string | undefined): boolean => {
      const id = target ?? own
      const config = typeof id === 'string' ? environment.upstream(id) : id?.config
      return id === undefined || (config?.nodes !== undefined && Object.keys(config.nodes).length > 0)
    }
    return {
      access(context) {
        for (const { conditions, shares } of rules) {
          if (conditions.length > 0 && !conditions.some((holds) => holds(context.variables))) continue
          const live = shares.filter((share) => usable(share, context.route?.upstreamId))
          const share = weightedChoice(live.length === 0 ? shares : live)
          if (share?.target !== undefined) context.chosenUpstream = share.target
          return undefined
        }
        return undefined
      },
    }
  },
}

/** The upstreams written into one configuration, in order: what is known of their servers outlives an edit. */
class InlineGroups implements OwnedState {
  readonly shared: PluginEnvironment['shared']
  #groups: UpstreamGroup[] = []
  #used = 0

  constructor(shared: PluginEnvironment['shared']) {
    this.shared = shared
  }

  begin(): void {
    this.#used = 0
  }

  take(config: Upstream, { owner, surroundings }: PluginEnvironment): UpstreamGroup {
    const index = this.#used++
    const known = this.#groups[index]
    known?.update(config)
    const group = known ?? new UpstreamGroup(config, surroundings(`${owner} traffic-split ${index}`))
    this.#groups[index] = group
    return group
  }

  /** Ends those that the configuration has no more. */
  finish(): void {
    for (const group of this.#groups.splice(this.#used)) group.retire()
  }

  close(): void {
    this.begin()
    this.finish()
  }
}

function inlineGroups({ owner, state, shared }: PluginEnvironment): InlineGroups {
  const known = state.get(owner)
  if (known instanceof InlineGroups && known.shared === shared) return known
  if (known instanceof InlineGroups) known.close()
  const groups = new InlineGroups(shared)
  state.set(owner, groups)
  return groups
}

import { type Catalogue, isObject, type Kind, type Plugins } from '../objects/index.ts'

interface Referring {
  readonly kind: 'routes' | 'services' | 'stream_routes' | 'consumers'
  readonly words: string
}

const REFERRING: Readonly<Partial<Record<Kind, { field: string; words: string; by: readonly Referring[] }>>> =
  {
    upstreams: {
      field: 'upstream_id',
      words: 'this upstream',
      by: [
        { kind: 'routes', words: 'route' },
        { kind: 'services', words: 'service' },
        { kind: 'stream_routes', words: 'stream_route' },
      ],
    },
    services: {
      field: 'service_id',
      words: 'this service directly',
      by: [
        { kind: 'routes', words: 'route' },
        { kind: 'stream_routes', words: 'stream_route' },
      ],
    },
    consumer_groups: {
      field: 'group_id',
      words: 'this consumer group',
      by: [{ kind: 'consumers', words: 'consumer' }],
    },
    plugin_configs: {
      field: 'plugin_config_id',
      words: 'this plugin config',
      by: [{ kind: 'routes', words: 'route' }],
    },
  }

/** Why an object cannot be deleted, in the Admin API's words; undefined if nothing refers to it. */
export function inUse(catalogue: Catalogue, kind: Kind, id: string): string | undefined {
  if (kind === 'protos') return transcodedBy(catalogue, id)
  const rule = REFERRING[kind]
  if (rule === undefined) return undefined
  for (const { kind: by, words } of rule.by) {
    for (const entry of catalogue.entries(by)) {
      const value = (entry.value as unknown as Readonly<Record<string, unknown>>)[rule.field]
      if (value !== undefined && String(value) === id) {
        return `can not delete ${rule.words}, ${words} [${entry.id}] is still using it now`
      }
    }
  }
  return kind === 'upstreams' ? splitBy(catalogue, id) : undefined
}

/** As `inUse`, for a proto that a grpc-transcode configuration names. */
function transcodedBy(catalogue: Catalogue, id: string): string | undefined {
  for (const [kind, words] of [
    ['routes', 'route'],
    ['services', 'service'],
  ] as const) {
    for (const entry of catalogue.entries(kind)) {
      const used = entry.value.plugins?.['grpc-transcode']?.proto_id
      if (used !== undefined && String(used) === id)
        return `can not delete this proto, ${words} [${entry.id}] is still using it now`
    }
  }
  return undefined
}

function splitBy(catalogue: Catalogue, id: string): string | undefined {
  const carriers = [
    ['routes', 'route'],
    ['services', 'service'],
    ['plugin_configs', 'plugin_config'],
    ['consumers', 'consumer'],
    ['consumer_groups', 'consumer_group'],
    ['global_rules', 'global_rules'],
  ] as const
  for (const [kind, words] of carriers) {
    for (const entry of catalogue.entries(kind)) {
      if (refersTo(entry.value.plugins, id)) {
        return `can not delete this upstream, plugin in ${words} [${entry.id}] is still using it now`
      }
    }
  }
  return undefined
}

function refersTo(plugins: Plugins | undefined, id: string): boolean {
  const rules = plugins?.['traffic-split']?.rules
  if (!Array.isArray(rules)) return false
  return rules.some(
    (rule: unknown) =>
      isObject(rule) &&
      Array.isArray(rule.weighted_upstreams) &&
      rule.weighted_upstreams.some(
        (one: unknown) => isObject(one) && one.upstream_id !== undefined && String(one.upstream_id) === id,
      ),
  )
}

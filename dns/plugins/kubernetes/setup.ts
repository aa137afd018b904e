import {
  directiveError,
  duration,
  expectArgs,
  fallthroughZones,
  integer,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
  type Setup,
  zonesOrBlock,
} from '../../core/setup.ts'
import type { Argument, Directive } from '../../corefile/tree.ts'
import { isReverseName } from '../../wire/index.ts'
import { KubernetesPlugin } from './kubernetes.ts'
import type { KubernetesOptions } from './options.ts'
import { parseSelector, type Selector } from './selector.ts'

const name = 'kubernetes'

export const kubernetes: PluginDefinition = {
  name,
  setup: (c) => {
    const options = readOptions(c)
    const directive = c.directives[0]
    if (c.store === undefined) {
      throw directiveError(
        directive,
        name,
        'there is no cluster to answer for: start with --manifests DIR or --kubeconfig FILE',
      )
    }
    return new KubernetesPlugin({
      options,
      store: c.store,
      instance: c.instance,
      block: c.block,
      metrics: c.metrics,
    })
  },
}

/** The options of the directive. Throws CorefileError. */
export function readOptions(c: Setup): KubernetesOptions {
  const directive = onlyDirective(c)
  const zones = zonesOrBlock(directive.args, c, name)
  const primaryZone = zones.find((zone) => !isReverseName(zone))
  if (primaryZone === undefined)
    throw directiveError(directive, name, 'at least one zone must not be a reverse zone')
  const state = {
    pods: 'disabled' as KubernetesOptions['pods'],
    ttl: 5,
    namespaces: new Set<string>(),
    namespaceLabels: undefined as Selector | undefined,
    labels: undefined as Selector | undefined,
    endpointPodNames: false,
    noEndpoints: false,
    ignoreEmptyService: false,
    zonal: false,
    multicluster: new Set<string>(),
    fallthrough: undefined as readonly string[] | undefined,
    startupTimeoutMs: 5000,
  }
  const selector = (line: Directive): Selector => {
    const text = line.args.map((argument) => argument.text).join(' ')
    const parsed = parseSelector(text)
    if (text === '' || parsed === undefined)
      throw directiveError(line, name, `'${text}' is no label selector`)
    return parsed
  }
  /** Read before, by `kubernetesDirective`, where the watch cache is opened for this Corefile. */
  const elsewhere =
    (counts: { min: number; max: number }) =>
    (line: Directive): void =>
      void expectArgs(line, name, counts)
  /** The watch cache has limits of its own. */
  const ignored = (line: Directive): void => {
    const limit = oneArg(line, name)
    if (!(Number(limit.text) >= 0))
      throw directiveError(limit, name, `${line.name} '${limit.text}' must be a number`)
    c.log.warn(
      { object: `${line.file}:${line.line}` },
      `plugin/kubernetes: '${line.name}' has no effect: the cluster is read through the watch cache`,
    )
  }
  const flag =
    (set: () => void) =>
    (line: Directive): void => {
      expectArgs(line, name, { min: 0 })
      set()
    }
  readProperties(directive, name, {
    endpoint: elsewhere({ min: 1, max: 16 }),
    tls: elsewhere({ min: 3, max: 3 }),
    kubeconfig: elsewhere({ min: 1, max: 2 }),
    apiserver_qps: ignored,
    apiserver_burst: ignored,
    apiserver_max_inflight: ignored,
    namespaces: (line) => {
      for (const argument of expectArgs(line, name, { min: 1, max: 10_000 }))
        state.namespaces.add(argument.text)
    },
    namespace_labels: (line) => {
      state.namespaceLabels = selector(line)
    },
    labels: (line) => {
      state.labels = selector(line)
    },
    pods: (line) => {
      const mode = oneArg(line, name)
      if (mode.text !== 'disabled' && mode.text !== 'insecure' && mode.text !== 'verified') {
        throw directiveError(mode, name, `pods '${mode.text}' must be disabled, insecure or verified`)
      }
      state.pods = mode.text
    },
    endpoint_pod_names: flag(() => {
      state.endpointPodNames = true
    }),
    noendpoints: flag(() => {
      state.noEndpoints = true
    }),
    ttl: (line) => {
      state.ttl = integer(oneArg(line, name), name, { min: 0, max: 3600 })
    },
    fallthrough: (line) => {
      state.fallthrough = fallthroughZones(line, c, name)
    },
    ignore: (line) => {
      const what = oneArg(line, name)
      if (what.text !== 'empty_service')
        throw directiveError(what, name, `ignore '${what.text}' must be empty_service`)
      state.ignoreEmptyService = true
    },
    startup_timeout: (line) => {
      state.startupTimeoutMs = duration(oneArg(line, name), name)
    },
    zonal: flag(() => {
      state.zonal = true
    }),
    multicluster: (line) => {
      const named = expectArgs(line, name, { min: 0, max: 10_000 })
      state.multicluster = new Set(named.flatMap((zone) => multiclusterZones(zone, zones, c)))
    },
  })
  if (state.namespaces.size > 0 && state.namespaceLabels !== undefined) {
    throw directiveError(directive, name, 'namespaces and namespace_labels exclude each other')
  }
  if (state.zonal && state.noEndpoints)
    throw directiveError(directive, name, 'zonal and noendpoints exclude each other')
  return { zones, primaryZone, ...state }
}

/** The zones of the plugin that an argument of `multicluster` names; they have to be the plugin's. */
function multiclusterZones(argument: Argument, zones: readonly string[], c: Setup): string[] {
  const named = zonesOrBlock([argument], c, name)
  const foreign = named.find((zone) => !zones.includes(zone))
  if (foreign === undefined) return named
  const own = zones.join(', ')
  throw directiveError(
    argument,
    name,
    `is not authoritative for the multicluster zone ${foreign} (authoritative zones: ${own}); name it behind '${name}'`,
  )
}

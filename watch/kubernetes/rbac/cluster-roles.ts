import { type NeedingComponent, needingComponents, needsOf } from '../needs.ts'
import { resourceOf } from '../resources.ts'

/** A rule of a ClusterRole (rbac.authorization.k8s.io/v1). */
export interface PolicyRule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** What a component writes, beside what it watches. */
const writes: { readonly [C in NeedingComponent]: readonly PolicyRule[] } = {
  proxy: [],
  dns: [],
  // The Lease says which gateway writes status, Events tell about objects that cannot be used.
  gateway: [
    { apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: ['get'] },
    { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['patch'] },
    {
      apiGroups: ['apisix.apache.org'],
      resources: ['apisixroutes', 'apisixtlses', 'apisixupstreams'],
      verbs: ['get'],
    },
    {
      apiGroups: ['apisix.apache.org'],
      resources: ['apisixroutes/status', 'apisixtlses/status', 'apisixupstreams/status'],
      verbs: ['patch'],
    },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create', 'get', 'update'] },
    { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
  ],
  overlay: [{ apiGroups: [''], resources: ['nodes'], verbs: ['patch'] }],
  cni: [],
  policy: [],
}

/** Exactly what a component asks the API for. `/version` and discovery every service account may read. */
export function rulesOf(component: NeedingComponent): PolicyRule[] {
  const verbs = new Map<string, Set<string>>()
  const allow = (group: string, resource: string, wanted: readonly string[]): void => {
    const name = `${group}/${resource}`
    for (const verb of wanted) verbs.set(name, (verbs.get(name) ?? new Set()).add(verb))
  }
  for (const { kind } of needsOf(component)) {
    const { group, plural } = resourceOf(kind)
    allow(group, plural, ['list', 'watch'])
  }
  for (const rule of writes[component]) {
    for (const group of rule.apiGroups)
      for (const resource of rule.resources) allow(group, resource, rule.verbs)
  }
  // Resources of one group with the same verbs share a rule.
  const rules = Map.groupBy(verbs, ([name, allowed]) => `${name.split('/')[0]}|${[...allowed].sort().join()}`)
  return [...rules.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([shared, members]) => {
      const [group = '', list = ''] = shared.split('|')
      const resources = members.map(([name]) => name.slice(name.indexOf('/') + 1)).sort()
      return { apiGroups: [group], resources, verbs: list.split(',') }
    })
}

/** The ClusterRoles of all components, as objects to be written into a manifest. */
export function clusterRoles(): object[] {
  return needingComponents.map((component) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: {
      name: `plexus-${component}`,
      labels: { 'app.kubernetes.io/name': 'plexus', 'app.kubernetes.io/component': component },
    },
    rules: rulesOf(component),
  }))
}

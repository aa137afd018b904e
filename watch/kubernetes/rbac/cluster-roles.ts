import { type NeedingComponent, needingComponents, needsOf } from '../needs.ts'
import { resourceOf } from '../resources.ts'
import { gatewayLease } from '../write/leader-election.ts'

/** A rule of a ClusterRole (rbac.authorization.k8s.io/v1). */
export interface PolicyRule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** Custom resources that the gateway gives a status. */
const apisixStatus = [
  'apisixconsumers',
  'apisixglobalrules',
  'apisixpluginconfigs',
  'apisixroutes',
  'apisixtlses',
  'apisixupstreams',
]

/** What a component writes, beside what it watches. */
const writes: { readonly [C in NeedingComponent]: readonly PolicyRule[] } = {
  proxy: [{ apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] }],
  dns: [],
  // Events tell about objects that cannot be used. The Lease that says which gateway writes is in a Role.
  gateway: [
    { apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: ['get'] },
    { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['patch'] },
    {
      apiGroups: ['apisix.apache.org'],
      resources: apisixStatus,
      verbs: ['get'],
    },
    {
      apiGroups: ['apisix.apache.org'],
      resources: apisixStatus.map((plural) => `${plural}/status`),
      verbs: ['patch'],
    },
    { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
  ],
  // Annotations go through the status subresource as well, as flannel's do: no right to change a Node's spec.
  overlay: [{ apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] }],
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

/** A creation cannot be limited to a name; everything else is. */
export const leaseRules: readonly (PolicyRule & { readonly resourceNames?: readonly string[] })[] = [
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    resourceNames: [gatewayLease],
    verbs: ['get', 'update'],
  },
]

/** The ClusterRoles of all components, and the gateway's Role, as objects to be written into a manifest. */
export function roles(): object[] {
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const labels = (component: string) => ({
    'app.kubernetes.io/name': 'plexus',
    'app.kubernetes.io/component': component,
  })
  return [
    ...needingComponents.map((component) => ({
      apiVersion,
      kind: 'ClusterRole',
      metadata: { name: `plexus-${component}`, labels: labels(component) },
      rules: rulesOf(component),
    })),
    {
      apiVersion,
      kind: 'Role',
      metadata: { name: 'plexus-gateway', namespace: 'kube-system', labels: labels('gateway') },
      rules: leaseRules,
    },
  ]
}

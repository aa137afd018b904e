import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { EventRecorder, electLeader, gatewayLease, type NeedingComponent, ObjectWriter } from '#watch'
import { needingComponents } from '../../../watch/kubernetes/needs.ts'
import { leaseRules, rulesOf } from '../../../watch/kubernetes/rbac/cluster-roles.ts'
import { rolesManifest } from '../../../watch/kubernetes/rbac/roles-manifest.ts'
import type { RequestFacts } from '../../apiserver/faults.ts'
import { waitUntil } from '../../support/index.ts'
import { log, node, service } from '../objects.ts'
import { cluster } from './support.ts'

test('deploy/rbac.yaml is what the code says (else run watch/kubernetes/rbac/write-roles.ts)', (t) => {
  t.is(readFileSync(join(import.meta.dirname, '../../../deploy/rbac.yaml'), 'utf8'), rolesManifest())
})

const resourceIn = ({ plural, subresource }: RequestFacts): string =>
  subresource === '' ? plural : `${plural}/${subresource}`

/** The rights of a component, as 'group/resource verb'. */
function rights(component: NeedingComponent): string[] {
  return [...rulesOf(component), ...(component === 'gateway' ? leaseRules : [])].flatMap(
    ({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
      ),
  )
}

for (const component of needingComponents) {
  for (const streaming of ['yes', 'forbidden'] as const) {
    test(`${component}: works with its ClusterRole alone (streamed lists: ${streaming})`, async (t) => {
      const allowed = new Set(rights(component))
      const refused: string[] = []
      const authorize = (facts: RequestFacts): boolean => {
        if (facts.verb === 'other') return true
        const right = `${facts.group}/${resourceIn(facts)} ${facts.verb}`
        if (!allowed.has(right)) refused.push(right)
        return allowed.has(right)
      }
      const { open } = await cluster(t, { authorize, streaming }, { components: [component], nodeName: 'n1' })
      t.true((await open()).synced)
      t.deepEqual(refused, [])
    })
  }
}

test('no right is there without being used: watches by all components, writes by those that write', async (t) => {
  const used = new Set<string>()
  const authorize = (facts: RequestFacts): boolean => {
    used.add(`${facts.group}/${resourceIn(facts)} ${facts.verb}`)
    return true
  }
  for (const streaming of ['yes', 'forbidden'] as const) {
    const { server, source, open } = await cluster(t, { authorize, streaming }, {})
    const spec = {
      http: [{ name: 'x', match: { paths: ['/*'] }, backends: [{ serviceName: 'a', servicePort: 80 }] }],
    }
    const metadata = { name: 'x', namespace: 'shop' }
    server.put(service('a'), node('n1'), { kind: 'ApisixRoute', metadata, spec } as never)
    const written = [
      'Ingress',
      'ApisixTls',
      'ApisixConsumer',
      'ApisixPluginConfig',
      'ApisixGlobalRule',
      'ApisixUpstream',
    ] as const
    for (const kind of written) server.put({ kind, metadata, spec: {} } as never)
    const store = await open()
    const writer = new ObjectWriter({ client: source.client, log })
    await writer.patch('Node', 'n1', { metadata: {} }, { subresource: 'status', type: 'strategic' })
    for (const kind of ['ApisixRoute', ...written] as const) {
      await writer.updateStatus(kind, 'shop/x', () => ({ done: true }))
    }
    const election = electLeader({
      client: source.client,
      namespace: 'shop',
      name: gatewayLease,
      identity: 'i',
      log,
    })
    await waitUntil(() => election.leading)
    await election.stop()
    const about = store.get('Service', 'shop/a')
    if (about !== undefined) {
      new EventRecorder({ client: source.client, log, controller: 'c', instance: 'i' }).warn(about, 'R', 'n')
    }
    await waitUntil(() => server.requestsOf('create', 'events').length > 0)
    await waitUntil(() => server.watches.size >= 18)
  }
  const granted = new Set(needingComponents.flatMap(rights))
  t.deepEqual(
    [...granted].filter((right) => !used.has(right)),
    [],
  )
})

import { join } from 'node:path'
import test from 'ava'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { NftError, NftSocket } from '#netlink'
import { DEFAULT_CONFIGURATION, startProxy } from '#proxy'
import { kubernetesSource, openStore } from '#watch'
import { writeBackTo } from '../../agent/write-back.ts'
import { ApiServer } from '../apiserver/api-server.ts'
import { testDirectory, testNamespace, waitUntil } from '../support/index.ts'

const service = (name: string, clusterIP: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop', uid: `uid-${name}` },
  spec: {
    type: 'ClusterIP',
    clusterIP,
    clusterIPs: [clusterIP],
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  },
})

test('a Service the kernel refuses has an Event in the cluster, and holds up no other', async (t) => {
  const server = await ApiServer.start({ token: 'secret' })
  t.teardown(() => server.stop())
  server.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as never)
  const kubeconfig = server.writeKubeconfig(join(testDirectory(t), 'kubeconfig'))
  const log = pino({ level: 'silent' })
  const source = kubernetesSource({ kubeconfig, components: ['proxy'], nodeName: 'n1', log })
  const store = await openStore({ source, log, nodeName: 'n1' })
  t.teardown(() => store.close())
  const namespace = testNamespace(t, 'events')
  const proxy = await startProxy({
    store,
    nodeName: 'n1',
    config: DEFAULT_CONFIGURATION,
    log,
    metrics: new Registry(),
    netns: namespace.path,
    recordEvent: writeBackTo(source, { store: () => store, nodeName: 'n1', log })?.recordEvent,
    openSocket: () => {
      const socket = new NftSocket({ netns: namespace.path })
      const commit = socket.commit.bind(socket)
      socket.commit = (transaction) => {
        const refused = transaction.operations.find(({ subject }) => subject === 'shop/refused')
        if (refused !== undefined) {
          const failure = { subject: 'shop/refused', code: 'EINVAL', message: 'no', operation: '' }
          throw new NftError([failure], { errno: 22 })
        }
        commit(transaction)
      }
      return socket
    },
  })
  t.teardown(() => proxy.stop())
  server.put(service('refused', '10.96.0.66'), service('good', '10.96.0.68'))
  const events = () => [...server.state.collection({ plural: 'events' }).objects.values()]
  await waitUntil(() => events().length > 0, { what: 'an Event' })
  t.like(events()[0], {
    type: 'Warning',
    reason: 'ServiceRulesRefused',
    note: 'node n1, IPv4: nf_tables refused the rules (no)',
    reportingController: 'plexus-proxy',
    regarding: { kind: 'Service', namespace: 'shop', name: 'refused' },
  })
  await waitUntil(() => namespace.nft('list', 'ruleset').includes('10.96.0.68'), {
    what: 'the other Service',
  })
  t.is(events().length, 1)
  t.is(proxy.health().detail, 'not programmed: shop/refused')
})

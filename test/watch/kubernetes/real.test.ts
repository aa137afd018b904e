// Against a kube-apiserver of Kubernetes itself, with etcd: what our own test server may have got wrong like us.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import {
  decodeObject,
  EventRecorder,
  electLeader,
  gatewayLease,
  isKind,
  type Kind,
  type KubernetesSource,
  keyFrom,
  kinds,
  kubernetesSource,
  type NeedingComponent,
  ObjectWriter,
  openStore,
} from '#watch'
import { compactObject } from '../../../watch/compact/compact.ts'
import { needingComponents } from '../../../watch/kubernetes/needs.ts'
import { pathOf, resourceOf } from '../../../watch/kubernetes/resources.ts'
import { missingForRealCluster, RealCluster } from '../../apiserver/real/cluster.ts'
import { sleep, waitUntil } from '../../support/index.ts'
import { conformanceTests, type Raw } from '../conformance.ts'
import { log, service } from '../objects.ts'
import { quick } from './support.ts'

const deploy = join(import.meta.dirname, '../../../deploy')
const objects = readFileSync(join(import.meta.dirname, 'real/objects.yaml'), 'utf8')
const missing = missingForRealCluster()
const teardowns: (() => void | Promise<void>)[] = []
let running: RealCluster | undefined

function real(): RealCluster {
  if (running === undefined) throw new Error('the cluster is not there')
  return running
}

if (missing !== undefined) test.skip(`a real API server: ${missing}`, () => {})
else {
  test.before(async (t) => {
    t.timeout(300_000)
    running = await RealCluster.start({ teardown: (body) => void teardowns.push(body) })
    running.kubectl(['create', 'namespace', 'shop'])
  })
  test.after.always(async () => {
    for (const body of teardowns.reverse()) await body()
  })
  tests()
}

const everyKind = { kinds: kinds.map((kind) => ({ kind })) }

function sourceAs(user: string, options: object = everyKind) {
  return kubernetesSource({ kubeconfig: real().kubeconfig(user), log, timing: quick, ...options })
}

function administrator(t: ExecutionContext): KubernetesSource['client'] {
  const source = sourceAs('admin')
  t.teardown(() => source.stop())
  return source.client
}

/** As the server shows it to others, by JSON, decoded. */
async function shown(
  client: KubernetesSource['client'],
  kind: Kind,
  target: { namespace: string; name: string },
) {
  const decoded = decodeObject(await client.json({ path: pathOf(resourceOf(kind), target) }))
  return decoded.outcome === 'object' ? compactObject(decoded.object) : decoded
}

/** Without the version: a change of what we trim is none here, and an object keeps the version it came with. */
function content(object: unknown): unknown {
  const { metadata, ...rest } = JSON.parse(JSON.stringify(object ?? {}))
  return { ...rest, metadata: { ...metadata, resourceVersion: '' } }
}

function tests(): void {
  test.serial(
    'custom resources are followed from when kubectl creates their definitions until it deletes them',
    async (t) => {
      const store = await openStore({ source: sourceAs('admin'), log })
      t.teardown(() => store.close())
      real().kubectl(['apply', '-f', join(deploy, 'crds.yaml')])
      const route = objects.split('---\n').find((text) => text.includes('kind: ApisixRoute')) ?? ''
      await waitUntil(() => real().kubectl(['apply', '-f', '-'], route) !== '', { intervalMs: 500 })
      await waitUntil(() => store.get('ApisixRoute', 'shop/r'), { timeoutMs: 60_000 })
      real().kubectl(['delete', '-f', join(deploy, 'crds.yaml')])
      await waitUntil(() => store.size('ApisixRoute') === 0, { timeoutMs: 60_000 })
      // While a definition goes its objects are answered with 429 for a while.
      t.truthy(await waitUntil(() => store.status().problems.length === 0, { timeoutMs: 60_000 }))
      real().kubectl(['apply', '-f', join(deploy, 'crds.yaml')])
      await waitUntil(() => real().kubectl(['get', 'apisixroutes', '-A']) !== undefined, { intervalMs: 500 })
    },
  )

  test.serial('what kubectl applies arrives as the server shows it, by protobuf and by JSON', async (t) => {
    const client = administrator(t)
    for (const wire of ['protobuf', 'json'] as const) {
      const store = await openStore({ source: sourceAs('admin', { ...everyKind, wire }), log })
      t.teardown(() => store.close())
      await waitUntil(() => real().kubectl(['apply', '-f', '-'], objects) !== '', { intervalMs: 500 })
      if (wire === 'protobuf') {
        const status = {
          phase: 'Running',
          podIP: '10.1.3.7',
          podIPs: [{ ip: '10.1.3.7' }],
          conditions: [{ type: 'Ready', status: 'True' }],
        }
        await new ObjectWriter({ client, log }).updateStatus('Pod', 'shop/p', () => status)
      }
      // Its finalizer keeps it, terminating.
      real().kubectl(['delete', 'pod', 'p', '-n', 'shop', '--wait=false'])
      for (const document of objects.split('---\n')) {
        const kind = /^kind: (\w+)/m.exec(document)?.[1] ?? ''
        const name = /^metadata: \{ name: ([\w-]+)/m.exec(document)?.[1] ?? ''
        const namespace = /namespace: ([\w-]+)/.exec(document.split('\n')[2] ?? '')?.[1] ?? ''
        if (!isKind(kind)) throw new Error(`no ${kind}`)
        const key = keyFrom(namespace, name)
        const pair = async (): Promise<[unknown, unknown]> => [
          content(store.get(kind, key)),
          content(await shown(client, kind, { namespace, name })),
        ]
        await waitUntil(async () => isDeepStrictEqual(...(await pair()))).catch(() => {})
        t.deepEqual(...(await pair()), `${kind} ${name}`)
      }
      t.not(store.get('Pod', 'shop/p')?.metadata.deletionTimestamp, undefined)
      t.deepEqual(store.status().problems, [])
      t.is(store.size('ServiceCIDR'), 1)
    }
  })

  conformanceTests(
    'a real kube-apiserver',
    async (t) => {
      // Reads by one client, writes by another.
      const client = administrator(t)
      const made = new Map<string, Raw>()
      const path = ({ kind, metadata }: Raw, named: { name?: string }) =>
        pathOf(resourceOf(kind as Kind), { namespace: metadata.namespace ?? '', ...named })
      const remove = async (object: Raw): Promise<void> => {
        made.delete(object.metadata.name)
        await client.json({ method: 'DELETE', path: path(object, { name: object.metadata.name }) })
      }
      t.teardown(async () => {
        for (const object of [...made.values()]) await remove(object)
      })
      return {
        async put(object) {
          const { apiVersion } = resourceOf(object.kind as Kind)
          const { name } = object.metadata
          const body = { apiVersion, ...object }
          if (made.has(name)) {
            await client.json({
              method: 'PATCH',
              path: path(object, { name }),
              body,
              contentType: 'application/merge-patch+json',
            })
          } else await client.json({ method: 'POST', path: path(object, {}), body })
          made.set(name, object)
        },
        delete: remove,
        source: sourceAs('admin'),
      }
    },
    { serial: true },
  )

  test.serial(
    'every component works with its ClusterRole of deploy/rbac.yaml, and with nothing else',
    async (t) => {
      real().kubectl(['apply', '-f', join(deploy, 'rbac.yaml')])
      const applied = real().kubectl(['apply', '--dry-run=server', '-f', join(deploy, 'plexus.yaml')])
      t.regex(applied, /daemonset\.apps\/plexus created/)
      for (const component of needingComponents) {
        const user = `plexus-${component}`
        real().kubectl(['create', 'clusterrolebinding', user, `--clusterrole=${user}`, `--user=${user}`])
      }
      real().kubectl([
        'create',
        'rolebinding',
        'plexus-gateway',
        '-n',
        'kube-system',
        '--role=plexus-gateway',
        '--user=plexus-gateway',
      ])
      const settled = async (component: NeedingComponent) => {
        const source = sourceAs(`plexus-${component}`, { components: [component], nodeName: 'real-1' })
        const store = await openStore({ source, log })
        t.teardown(() => store.close())
        await waitUntil(() => store.status().current, { what: `${component} to be in step` })
        t.deepEqual(store.status().problems, [], component)
        return source
      }
      const sources = new Map(
        await Promise.all(needingComponents.map(async (name) => [name, await settled(name)] as const)),
      )
      // RBAC is at work: the proxy may not read Secrets.
      const proxy = sources.get('proxy')?.client
      await t.throwsAsync(Promise.resolve(proxy?.json({ path: '/api/v1/secrets' })), {
        message: /403 Forbidden/,
      })

      const overlay = sources.get('overlay')
      if (overlay === undefined) throw new Error('no overlay')
      await new ObjectWriter({ client: overlay.client, log }).patch(
        'Node',
        'real-1',
        { metadata: { annotations: { 'flannel.alpha.coreos.com/public-ip': '192.0.2.1' } } },
        { subresource: 'status', type: 'strategic' },
      )
      const node = JSON.parse(real().kubectl(['get', 'node', 'real-1', '-o', 'json'])) as {
        metadata: { annotations: object }
      }
      t.like(node.metadata.annotations, { a: 'b', 'flannel.alpha.coreos.com/public-ip': '192.0.2.1' })

      const gateway = sources.get('gateway')
      if (gateway === undefined) throw new Error('no gateway')
      const writer = new ObjectWriter({ client: gateway.client, log })
      await writer.updateStatus('Ingress', 'shop/i', () => ({
        loadBalancer: { ingress: [{ ip: '192.0.2.7' }] },
      }))
      await writer.updateStatus('ApisixRoute', 'shop/r', () => ({
        conditions: [{ type: 'Accepted', status: 'True' }],
      }))
      t.regex(real().kubectl(['get', 'ingress', 'i', '-n', 'shop']), /192\.0\.2\.7/)
      t.regex(real().kubectl(['get', 'apisixroute', 'r', '-n', 'shop']), /\bTrue\b/)
      const election = electLeader({
        client: gateway.client,
        namespace: gateway.namespace,
        name: gatewayLease,
        identity: 'one',
        log,
      })
      await waitUntil(() => election.leading)
      t.regex(real().kubectl(['get', 'lease', gatewayLease, '-n', 'kube-system']), /\bone\b/)
      await election.stop()
      new EventRecorder({ client: gateway.client, log, controller: 'plexus-gateway', instance: 'one' }).warn(
        {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'Ingress',
          metadata: { namespace: 'shop', name: 'i', uid: '' },
        },
        'SyncFailed',
        'a reason',
      )
      await waitUntil(() => /SyncFailed.*a reason/.test(real().kubectl(['get', 'events', '-n', 'shop'])), {
        intervalMs: 500,
      })
    },
  )

  test.serial(
    'the server is killed under load and comes back: every change arrives, nothing else is deleted',
    async (t) => {
      const store = await openStore({ source: sourceAs('admin'), log })
      t.teardown(() => store.close())
      const before = store.size('Service')
      const gone: string[] = []
      store.subscribe({ name: 't', kinds: ['Service'], coalesceMs: 0 }, (changes) => {
        for (const [key, { after }] of changes.objects('Service')) if (after === undefined) gone.push(key)
      })
      const client = administrator(t)
      const create = async (name: string): Promise<void> => {
        const body = service(name, { clusterIP: undefined })
        await waitUntil(
          () =>
            client
              .json({ method: 'POST', path: '/api/v1/namespaces/shop/services', body })
              .catch((error: unknown) => {
                // Written, although the answer got lost.
                if (/AlreadyExists/.test(String(error))) return true
                throw error
              }),
          { what: `Service ${name} to be written`, timeoutMs: 120_000, intervalMs: 200 },
        )
      }
      const load = (async () => {
        for (let number = 0; number < 60; number++) {
          await create(`load-${number}`)
          await sleep(20)
        }
      })()
      await waitUntil(() => store.get('Service', 'shop/load-10'))
      await real().killServer()
      await waitUntil(() => store.status().current === false)
      t.true(store.size('Service') >= before + 10)
      await real().startServer()
      await load
      await waitUntil(() => store.size('Service') === before + 60, { timeoutMs: 60_000 })
      await waitUntil(() => store.status().current, { timeoutMs: 60_000 })
      store.flush()
      t.deepEqual(gone, [])
    },
  )
}

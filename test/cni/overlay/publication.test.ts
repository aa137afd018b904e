import test from 'ava'
import { pino } from 'pino'
import type { Node } from '#watch'
import { annotationNames } from '../../../cni/overlay/annotations.ts'
import { type NodePatch, nodePatch, type Publication } from '../../../cni/overlay/publication.ts'
import { Publisher } from '../../../cni/overlay/publisher.ts'
import { sleep, waitUntil } from '../../support/index.ts'

const now = new Date('2026-11-21T12:00:00.123Z')
const options = { names: annotationNames(), setNetworkUnavailable: true, now }
const mac = '02:aa:bb:cc:dd:ee'
const vxlan: Publication = {
  backend: { type: 'vxlan', vni: 1 },
  families: [{ family: 4, publicIp: '192.0.2.1', mac }],
}
const prefix = 'flannel.alpha.coreos.com'
const told = {
  [`${prefix}/kube-subnet-manager`]: 'true',
  [`${prefix}/backend-type`]: 'vxlan',
  [`${prefix}/backend-data`]: `{"VNI":1,"VtepMAC":"${mac}"}`,
  [`${prefix}/public-ip`]: '192.0.2.1',
}
const available = { type: 'NetworkUnavailable', status: 'False' }

function node(annotations: Record<string, string> = {}, conditions: { type: string; status: string }[] = []) {
  return { metadata: { name: 'node1', annotations }, status: { conditions } } as unknown as Node
}

test("a Node that says nothing gets all of flannel's annotations and the condition", (t) => {
  const time = '2026-11-21T12:00:00Z'
  t.deepEqual(nodePatch(node(), vxlan, options), {
    metadata: { annotations: told },
    status: {
      conditions: [
        {
          type: 'NetworkUnavailable',
          status: 'False',
          reason: 'FlannelIsUp',
          message: 'The pod network is up on this node (Plexus)',
          lastTransitionTime: time,
          lastHeartbeatTime: time,
        },
      ],
    },
  })
})

test('a Node that says it all gets no patch, and only what differs is patched', (t) => {
  t.is(nodePatch(node(told, [available]), vxlan, options), undefined)
  const { [`${prefix}/public-ip`]: _, ...rest } = told
  t.deepEqual(
    nodePatch(node({ ...rest, [`${prefix}/public-ip`]: '192.0.2.9' }, [available]), vxlan, options),
    {
      metadata: { annotations: { [`${prefix}/public-ip`]: '192.0.2.1' } },
    },
  )
  const unavailable = { type: 'NetworkUnavailable', status: 'True' }
  const patch = nodePatch(node(told, [unavailable]), vxlan, options)
  t.is(patch?.metadata, undefined)
  t.like(patch?.status?.conditions[0], available)
  t.is(nodePatch(node(told, [unavailable]), vxlan, { ...options, setNetworkUnavailable: false }), undefined)
})

test('public-ip-overwrite appears as public-ip, per family; nonsense in it does not', (t) => {
  const both: Publication = {
    ...vxlan,
    families: [...vxlan.families, { family: 6, publicIp: 'fd00::1', mac }],
  }
  const overwrites = {
    [`${prefix}/public-ip-overwrite`]: '203.0.113.5',
    [`${prefix}/public-ipv6-overwrite`]: '2001:db8::5',
  }
  const patch = nodePatch(node(overwrites), both, options)
  t.like(patch?.metadata?.annotations, {
    [`${prefix}/public-ip`]: '203.0.113.5',
    [`${prefix}/public-ipv6`]: '2001:db8::5',
    [`${prefix}/backend-v6-data`]: `{"VNI":1,"VtepMAC":"${mac}"}`,
  })
  const bad = nodePatch(node({ [`${prefix}/public-ip-overwrite`]: 'the.nat' }), vxlan, options)
  t.is(bad?.metadata?.annotations[`${prefix}/public-ip`], '192.0.2.1')
})

test('host-gw has no backend data, another prefix other names', (t) => {
  const names = annotationNames('example.org/net2')
  const patch = nodePatch(
    node({}, [available]),
    { ...vxlan, backend: { type: 'host-gw' } },
    { ...options, names },
  )
  t.deepEqual(patch, {
    metadata: {
      annotations: {
        'example.org/net2-kube-subnet-manager': 'true',
        'example.org/net2-backend-type': 'host-gw',
        'example.org/net2-backend-data': 'null',
        'example.org/net2-public-ip': '192.0.2.1',
      },
    },
  })
  t.is(annotationNames('example.org/').managed, 'example.org/kube-subnet-manager')
  t.throws(() => annotationNames('no domain'), { code: 'OVERLAY_ANNOTATION_PREFIX' })
})

test('a patch is sent once until the Node has come back, and again after a failure', async (t) => {
  const sent: NodePatch[] = []
  let fail = true
  const publisher = new Publisher({
    log: pino({ level: 'silent' }),
    publish: async (patch) => {
      sent.push(patch)
      if (fail) throw new Error('forbidden')
    },
  })
  t.teardown(() => publisher.close())
  const patch = nodePatch(node(), vxlan, options)
  publisher.offer(patch)
  await waitUntil(() => publisher.failure === 'forbidden')
  fail = false
  await waitUntil(() => publisher.failure === undefined && sent.length === 2, { what: 'the second attempt' })
  publisher.offer(nodePatch(node(), vxlan, { ...options, now: new Date() }))
  await sleep(20)
  t.is(sent.length, 2, 'the Node is on its way')
  publisher.offer(undefined)
  publisher.offer(patch)
  await waitUntil(() => sent.length === 3, { what: 'a patch after the Node was changed back' })
})

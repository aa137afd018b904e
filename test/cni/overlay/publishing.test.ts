import { join } from 'node:path'
import test from 'ava'
import { derivedMac } from '../../../cni/overlay/peers.ts'
import { testDirectory, testNamespace } from '../../support/index.ts'

const prefix = 'flannel.alpha.coreos.com'

test('where the source can write, the own Node is patched once for every change', (t) => {
  const namespace = testNamespace(t, 'publish')
  const directory = testDirectory(t, 'publish')
  namespace.run('ip', 'link', 'add', 'under0', 'type', 'veth', 'peer', 'name', 'under1')
  namespace.run('ip', 'addr', 'add', '198.18.0.1/24', 'dev', 'under0')
  namespace.run('ip', 'link', 'set', 'under0', 'up')
  const script = join(import.meta.dirname, 'publishing-node.ts')
  const options = { timeoutMs: 120_000 }
  const output = namespace.runWith(options, process.execPath, script, join(directory, 'subnet.env'))
  const [first, second, last] = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const told = {
    [`${prefix}/kube-subnet-manager`]: 'true',
    [`${prefix}/backend-type`]: 'vxlan',
    [`${prefix}/backend-data`]: JSON.stringify({ VNI: 1, VtepMAC: derivedMac('node1') }),
    [`${prefix}/public-ip`]: '198.18.0.1',
  }
  t.deepEqual(first?.['metadata'], { annotations: told })
  t.like(first?.['status'], { conditions: [{ type: 'NetworkUnavailable', status: 'False' }] })
  t.deepEqual(second, { metadata: { annotations: { [`${prefix}/public-ip`]: '203.0.113.7' } } })
  t.deepEqual(last, {
    patches: 2,
    annotations: {
      ...told,
      [`${prefix}/public-ip`]: '203.0.113.7',
      [`${prefix}/public-ip-overwrite`]: '203.0.113.7',
    },
    health: { ok: true },
  })
})

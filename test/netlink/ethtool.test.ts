import test from 'ava'
import { deviceFeature, RouteSocket, setDeviceFeature } from '../../netlink/index.ts'
import { testNamespace } from '../support/index.ts'

const feature = 'tx-checksum-ip-generic'

test('a feature is read and switched, as ethtool(8) sees it', (t) => {
  const namespace = testNamespace(t, 'ethtool')
  const netns = namespace.path
  namespace.run('ip', 'link', 'add', 'flannel.1', 'type', 'vxlan', 'id', '1', 'dstport', '8472')
  using socket = new RouteSocket({ netns })
  const index = socket.link('flannel.1')?.index ?? 0
  const shown = (): string | undefined =>
    /tx-checksum-ip-generic: (\w+)/.exec(namespace.run('ethtool', '-k', 'flannel.1'))?.[1]
  t.is(shown(), 'on')
  t.true(deviceFeature({ index, feature, netns }))
  setDeviceFeature({ index, feature, netns, on: false })
  t.is(shown(), 'off')
  t.false(deviceFeature({ index, feature, netns }))
  setDeviceFeature({ index, feature, netns, on: true })
  t.is(shown(), 'on')
  t.true(deviceFeature({ index, feature, netns }))
})

test('what does not exist is refused', (t) => {
  const { path: netns } = testNamespace(t, 'ethtool')
  t.throws(() => deviceFeature({ index: 77, feature, netns }), { code: 'ENODEV' })
  t.throws(() => setDeviceFeature({ index: 77, feature, netns, on: true }), { code: 'ENODEV' })
  t.throws(() => setDeviceFeature({ index: 1, feature: 'tx-nonsense', netns, on: true }), {
    message: /ethtool features set/,
  })
})

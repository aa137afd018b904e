import test from 'ava'
import { namesCluster, requireSource, sourceOf } from '../../agent/cli/source-options.ts'

const pod = { KUBERNETES_SERVICE_HOST: '10.96.0.1' }
const plain = (value: object): unknown => JSON.parse(JSON.stringify(value))

test('flags come first, then what files name, then the service account of the pod', (t) => {
  t.deepEqual(sourceOf({}, {}, {}), {})
  t.false(namesCluster(sourceOf({}, {}, {})))
  t.throws(() => requireSource({}), { message: /--manifests DIR or --kubeconfig FILE/ })
  const rows: [Parameters<typeof sourceOf>, object][] = [
    [[{}, {}, pod], { inCluster: true }],
    [[{}, { kubeconfig: '/k', context: 'c' }, pod], { kubeconfig: '/k', context: 'c' }],
    [[{ kubeconfig: '/ours' }, { kubeconfig: '/k' }, pod], { kubeconfig: '/ours' }],
    [[{ manifests: ['/m'] }, { kubeconfig: '/k' }, pod], { manifests: ['/m'] }],
  ]
  for (const [given, wanted] of rows) {
    const source = sourceOf(...given)
    t.deepEqual(plain(source), wanted)
    t.notThrows(() => requireSource(source))
  }
})

test('another address is used with the credentials of kubeconfig or service account', (t) => {
  const apiServer = 'https://192.0.2.9:6443'
  const named = { apiServer, flag: '--master' }
  t.deepEqual(plain(sourceOf({ kubeconfig: '/k' }, named, {})), { kubeconfig: '/k', apiServer: [apiServer] })
  t.deepEqual(plain(sourceOf({}, named, {})), { inCluster: true, apiServer: [apiServer] })
  t.throws(() => sourceOf({ manifests: ['/m'] }, named, {}), {
    message: '--master has no meaning beside --manifests',
  })
})

test('an address of a file stands alone, with its certificates or without; flags win', (t) => {
  const named = { apiServer: 'http://192.0.2.9:8080', certificates: {} }
  t.deepEqual(plain(sourceOf({}, named, pod)), { apiServer: [named.apiServer], certificates: {} })
  t.deepEqual(plain(sourceOf({ manifests: ['/m'] }, named, pod)), { manifests: ['/m'] })
})

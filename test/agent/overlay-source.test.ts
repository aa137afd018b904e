import test from 'ava'
import { sourceOf } from '../../agent/cli/overlay-source.ts'

const none = { kubeconfig: undefined, apiServer: undefined }
const nowhere = { manifests: undefined, kubeconfig: undefined, inCluster: undefined, apiServer: undefined }
const pod = { KUBERNETES_SERVICE_HOST: '10.96.0.1' }

test('the overlay finds its cluster as flanneld does', (t) => {
  t.deepEqual(sourceOf({}, none, {}), nowhere)
  t.deepEqual(sourceOf({}, none, pod), { ...nowhere, inCluster: true })
  t.deepEqual(sourceOf({}, { ...none, kubeconfig: '/k' }, pod), { ...nowhere, kubeconfig: '/k' })
  t.deepEqual(sourceOf({ kubeconfig: '/ours' }, { ...none, kubeconfig: '/k' }, pod), {
    ...nowhere,
    kubeconfig: '/ours',
  })
  t.deepEqual(sourceOf({ manifests: ['/m'] }, none, pod), { ...nowhere, manifests: ['/m'] })
})

test('--kube-api-url replaces the address, with the credentials of kubeconfig or service account', (t) => {
  const apiServer = 'https://192.0.2.9:6443'
  t.deepEqual(sourceOf({ kubeconfig: '/k' }, { ...none, apiServer }, {}), {
    ...nowhere,
    kubeconfig: '/k',
    apiServer: [apiServer],
  })
  t.deepEqual(sourceOf({}, { ...none, apiServer }, {}), {
    ...nowhere,
    inCluster: true,
    apiServer: [apiServer],
  })
  t.throws(() => sourceOf({ manifests: ['/m'] }, { ...none, apiServer }, {}), {
    message: '--kube-api-url has no meaning beside --manifests',
  })
})

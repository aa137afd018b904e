import test from 'ava'
import { podHostname, podHostsFile } from '../../lab/kubelet/hosts-file.ts'
import { podOf } from './support/pod.ts'

const clusterDomain = 'cluster.local'

test('the host name is the Pod name, or spec.hostname', (t) => {
  t.deepEqual(podHostname(podOf(), clusterDomain), { hostname: 'web-1' })
  t.is(podHostname(podOf({ hostname: 'db' }), clusterDomain).hostname, 'db')
})

test('a subdomain gives a full name, which becomes the host name only on demand', (t) => {
  const fqdn = 'db.reviews.shop.svc.cluster.local'
  const spec = { hostname: 'db', subdomain: 'reviews' }
  t.deepEqual(podHostname(podOf(spec), clusterDomain), { hostname: 'db', fqdn })
  t.is(podHostname(podOf({ ...spec, setHostnameAsFQDN: true }), clusterDomain).hostname, fqdn)
})

test('a host name is cut to 63 characters and never ends in a hyphen', (t) => {
  const name = `${'a'.repeat(62)}-${'b'.repeat(10)}`
  t.is(podHostname(podOf({}, { name }), clusterDomain).hostname, 'a'.repeat(62))
})

test('/etc/hosts names the pod and its aliases', (t) => {
  const pod = podOf({
    hostname: 'db',
    subdomain: 'reviews',
    hostAliases: [{ ip: '192.0.2.7', hostnames: ['printer', 'printer.test'] }],
  })
  const lines = podHostsFile({ pod, clusterDomain, addresses: ['10.244.1.5'] }).split('\n')
  t.true(lines.includes('127.0.0.1\tlocalhost'))
  t.true(lines.includes('10.244.1.5\tdb.reviews.shop.svc.cluster.local\tdb'))
  t.true(lines.includes('192.0.2.7\tprinter\tprinter.test'))
})

import test from 'ava'
import fc from 'fast-check'
import { memorySource, openStore, ServiceCIDRError, type Store } from '#watch'
import { log, opened, service } from './objects.ts'

const open = { clusterIP: undefined }

function clusterIPs(store: Store): Record<string, readonly string[]> {
  return Object.fromEntries(
    [...store.list('Service')].map(({ metadata, spec }) => [metadata.name, spec.clusterIPs]),
  )
}

async function allocated(objects: object[], serviceCIDR: string): Promise<Store> {
  const source = memorySource()
  for (const object of objects) source.apply(object)
  const store = await openStore({ source, log, serviceCIDR })
  await store.close()
  return store
}

test('a Service without clusterIP gets one of the network, headless and ExternalName ones do not', async (t) => {
  const { store } = await opened(
    service('a', open),
    service('headless', { clusterIP: 'None' }),
    service('external', { ...open, type: 'ExternalName', externalName: 'x.example' }),
    service('given', { clusterIP: '10.96.0.10' }),
  )
  t.regex(store.get('Service', 'shop/a')?.spec.clusterIP ?? '', /^10\.(9[6-9]|10\d|11[01])\./)
  t.is(store.get('Service', 'shop/headless')?.spec.clusterIP, 'None')
  t.deepEqual(store.get('Service', 'shop/external')?.spec.clusterIPs, [])
  t.is(store.get('Service', 'shop/given')?.spec.clusterIP, '10.96.0.10')
  await store.close()
})

test('dual stack: one address per family, as policy and families say', async (t) => {
  const cidr = '10.96.0.0/16,fd00:96::/112'
  const store = await allocated(
    [
      service('single', open),
      service('six', { ...open, ipFamilies: ['IPv6'] }),
      service('dual', { ...open, ipFamilyPolicy: 'PreferDualStack' }),
      service('half', { clusterIP: '10.96.9.9', ipFamilyPolicy: 'RequireDualStack' }),
    ],
    cidr,
  )
  const families = Object.entries(clusterIPs(store)).map(([name, ips]) => [
    name,
    ips.map((ip) => (ip.includes(':') ? 6 : 4)),
  ])
  t.deepEqual(Object.fromEntries(families), { single: [4], six: [6], dual: [4, 6], half: [4, 6] })
  t.deepEqual(store.get('Service', 'shop/dual')?.spec.ipFamilies, ['IPv4', 'IPv6'])
})

test('an explicit address drives out an allocated one', async (t) => {
  const { source, store } = await opened(service('a', open))
  const first = store.get('Service', 'shop/a')?.spec.clusterIP ?? ''
  source.apply(service('b', { clusterIP: first }))
  t.is(store.get('Service', 'shop/b')?.spec.clusterIP, first)
  t.not(store.get('Service', 'shop/a')?.spec.clusterIP, first)
  source.delete('Service', 'shop/b')
  t.is(store.get('Service', 'shop/a')?.spec.clusterIP, first)
  await store.close()
})

test('node ports: allocated where needed, shared over protocols of one port, explicit ones kept', async (t) => {
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53 },
    { name: 'web', port: 80, nodePort: 31090 },
  ]
  const { store } = await opened(
    service('a', { type: 'NodePort', ports }),
    service('lb', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
    service('quiet', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }),
    service('plain'),
  )
  const [udp, tcp, web] = store.get('Service', 'shop/a')?.spec.ports ?? []
  t.true((udp?.nodePort ?? 0) >= 30086 && (udp?.nodePort ?? 0) <= 32767)
  t.is(udp?.nodePort, tcp?.nodePort)
  t.is(web?.nodePort, 31090)
  const lb = store.get('Service', 'shop/lb')?.spec
  t.true((lb?.healthCheckNodePort ?? 0) > 0)
  t.not(lb?.healthCheckNodePort, lb?.ports[0]?.nodePort)
  t.is(store.get('Service', 'shop/quiet')?.spec.ports[0]?.nodePort, 0)
  t.is(store.get('Service', 'shop/plain')?.spec.ports[0]?.nodePort, 0)
  await store.close()
})

test('writing a Service again as the manifest has it is no event', async (t) => {
  const { source, store } = await opened(service('a', { ...open, type: 'NodePort' }))
  const before = store.get('Service', 'shop/a')
  source.apply(service('a', { ...open, type: 'NodePort' }))
  t.is(store.get('Service', 'shop/a'), before)
  await store.close()
})

test('more Services than addresses: those left over have none, and get one when another goes', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const source = memorySource()
  source.apply(...names.map((name) => service(name, open)))
  const store = await openStore({ source, log, serviceCIDR: '10.0.0.0/29' })
  const without = () => Object.values(clusterIPs(store)).filter((ips) => ips.length === 0).length
  t.is(without(), 2)
  t.is(new Set(Object.values(clusterIPs(store)).flat()).size, 6)
  source.delete('Service', 'shop/a')
  t.is(without(), 1)
  await store.close()
})

test('a bad serviceCIDR is refused', async (t) => {
  for (const serviceCIDR of ['10.96.0.0', '10.0.0.0/8,10.0.0.0/9', '', '10.0.0.0/31']) {
    await t.throwsAsync(openStore({ source: memorySource(), log, serviceCIDR }), {
      instanceOf: ServiceCIDRError,
    })
  }
})

test('property: the outcome depends on the set of Services, not on its history', async (t) => {
  // 14 addresses for up to 12 names: collisions are the rule.
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l')
  const explicit = fc.constantFrom(undefined, undefined, undefined, '10.0.0.3', '10.0.0.4')
  const step = fc.record({ name, remove: fc.constantFrom(true, false, false), clusterIP: explicit })
  const seed = 20261121
  t.log(`seed ${seed}`)
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), async (steps) => {
      const source = memorySource()
      const store = await openStore({ source, log, serviceCIDR: '10.0.0.0/28' })
      const present = new Map<string, object>()
      for (const { name, remove, clusterIP } of steps) {
        if (remove) {
          present.delete(name)
          source.delete('Service', `shop/${name}`)
        } else {
          const object = service(name, { clusterIP, type: 'NodePort' })
          present.set(name, object)
          source.apply(object)
        }
      }
      await store.close()
      const fresh = await allocated([...present.values()].reverse(), '10.0.0.0/28')
      const seen = (of: Store) =>
        Object.fromEntries([...of.list('Service')].map((s) => [s.metadata.name, s.spec]).sort())
      t.deepEqual(seen(store), seen(fresh))
      const given = new Set(
        [...present.values()].map((object) => (object as ReturnType<typeof service>).spec.clusterIP),
      )
      const found = [...store.list('Service')].map((s) => s.spec.clusterIP).filter((ip) => !given.has(ip))
      t.is(new Set(found).size, found.length)
    }),
    { seed, numRuns: 60 },
  )
})

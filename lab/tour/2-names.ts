import { outsideNames } from '../cluster/outside.ts'
import type { Tour } from './tour.ts'

const POD = 'web-1'
const ZONE = 'shop.svc.cluster.local'

/** A pod resolves every kind of name there is. */
export async function names(tour: Tour): Promise<void> {
  const catalog = tour.service('shop/catalog').spec.clusterIP
  await tour.run(POD, ['cat', '/etc/resolv.conf'])
  await dig(tour, { what: 'a Service by its full name', name: `catalog.${ZONE}`, expected: [catalog] })

  const found = await tour.run(POD, ['getent', 'hosts', 'catalog'])
  tour.expect(
    found.stdout.split(/\s+/)[0] === catalog,
    `"catalog" through the search path of resolv.conf: ${found.stdout.trim().replace(/\s+/g, ' ') || 'nothing'}`,
  )
  await dig(tour, {
    what: 'an SRV name',
    name: `_http._tcp.catalog.${ZONE}`,
    type: 'SRV',
    expected: [`0 100 80 catalog.${ZONE}.`],
  })
  const reviews = ['reviews-0', 'reviews-1'].map((name) => tour.pod(name).status.podIP)
  await dig(tour, {
    what: 'a headless Service: the pods themselves',
    name: `reviews.${ZONE}`,
    expected: reviews,
  })
  const outside = outsideNames(tour.cluster.underlay, undefined)
  await dig(tour, {
    what: "an outside name, forwarded to the lab's upstream DNS server",
    name: 'www.example.test',
    expected: [outside['www.example.test'] ?? ''],
  })
  await dig(tour, {
    what: 'an ExternalName Service: a CNAME and what it stands for',
    name: `payments.${ZONE}`,
    expected: ['pay.example.test.', outside['pay.example.test'] ?? ''],
  })
}

async function dig(
  tour: Tour,
  query: { what: string; name: string; type?: string; expected: readonly string[] },
): Promise<void> {
  const { name, type = 'A', expected } = query
  const { stdout } = await tour.run(POD, ['dig', '+short', name, type], { quiet: true })
  const answers = stdout.split('\n').filter(Boolean)
  const holds = answers.toSorted().join() === expected.toSorted().join()
  tour.expect(
    holds,
    `${query.what}: ${answers.join(', ') || 'nothing'}${holds ? '' : ` (expected ${expected.join(', ')})`}`,
  )
}

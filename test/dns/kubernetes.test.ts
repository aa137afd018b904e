/** The Kubernetes DNS specification 1.1.0 over the wire, row by row. */
import test from 'ava'
import { waitUntil } from '../support/index.ts'
import { dns2Ask } from './support/dns2.ts'
import { clusterOf, dig, type Script, serve, stubUpstream } from './support/index.ts'
import {
  fixture,
  headless,
  nodata,
  nx,
  type Row,
  rows,
  service,
  slice,
  svc1,
  Z,
} from './support/specification.ts'

const corefile = (properties = 'pods insecure'): string => `
. {
  bind 127.0.0.1
  errors
  kubernetes cluster.local in-addr.arpa 0.0.0.0.d.c.b.a.8.7.6.5.ip6.arpa 4.3.2.1.ip6.arpa 0.1.0.0.ip6.arpa {
    ${properties}
  }
  hosts /nonexistent interwebs.test {
    192.0.2.7 ext.interwebs.test
  }
}`

/** An upstream that answers every PTR query with one name. */
const pointers =
  (target: string): Script =>
  (query) => ({
    answer: query.questions.map(({ name }) => ({
      kind: 'target',
      name,
      type: 12,
      class: 1,
      ttl: 300,
      target,
    })),
  })

const fullName = (name: string): string => (name.endsWith('.') ? name : name === '' ? Z : `${name}.${Z}`)

async function check(
  t: {
    deepEqual: (a: unknown, b: unknown, message: string) => void
    regex: (a: string, b: RegExp, message?: string) => void
    true: (a: boolean, message: string) => void
  },
  at: number,
  all: readonly Row[],
): Promise<void> {
  const queue = [...all]
  const worker = async (): Promise<void> => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      const said = await dig(at, fullName(row.name), row.type)
      const title = `${row.name} ${row.type}\n${said.text}`
      t.deepEqual(said.status, row.status ?? 'NOERROR', title)
      t.true(said.flags.includes('aa') && !said.flags.includes('ra'), title)
      t.deepEqual([...said.answer].sort(), [...(row.answer ?? [])].sort(), title)
      t.deepEqual([...said.additional].sort(), [...(row.additional ?? [])].sort(), title)
      if (
        row.answer !== undefined &&
        said.answer[0]?.includes(' CNAME ') !== true &&
        row.name.startsWith('external')
      )
        t.true(false, title)
      const negative = row.answer === undefined && row.status !== 'REFUSED'
      t.deepEqual(said.authority.length, negative ? 1 : 0, title)
      if (negative)
        t.regex(
          said.authority[0] ?? '',
          /^\S+ 5 SOA (\S*ns\.dns\.\S+) hostmaster\.\S+ \d{10} 7200 1800 86400 5$/,
          title,
        )
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
}

test('every row of the specification', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  await check(t, at, rows)
  // Most answers come from the table of rendered ones the second time.
  await check(t, at, rows)
})

test('the SOA belongs to the zone that matches; apex SOA is an answer', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  t.regex(
    (await dig(at, 'cluster.local', 'SOA')).answer[0] ?? '',
    /^cluster\.local\. 5 SOA ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\./,
  )
  t.regex((await dig(at, 'x.cluster.local', 'A')).authority[0] ?? '', /^cluster\.local\. /)
  t.regex((await dig(at, '9.9.9.9.in-addr.arpa', 'PTR')).authority[0] ?? '', /^in-addr\.arpa\. /)
  t.is((await dig(at, 'cluster.local', 'AXFR', '+tcp')).answer.length, 0)
})

test('letter case of the query is kept, whatever is found', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  for (let i = 0; i < 2; i += 1) {
    t.deepEqual((await dig(at, 'SvC1.TestNS.sVC.cLuster.LOCAL', 'A')).answer, [
      'SvC1.TestNS.sVC.cLuster.LOCAL. 5 A 10.0.0.1',
    ])
    t.deepEqual((await dig(at, 'svc1.testns.svc.cluster.local', 'A')).answer, [
      'svc1.testns.svc.cluster.local. 5 A 10.0.0.1',
    ])
  }
})

test('dns2, an independent client, reads the answers over UDP and TCP', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  for (const transport of ['udp', 'tcp'] as const) {
    const address = await dns2Ask(at, 'svc1.testns.svc.cluster.local', 'A', transport)
    t.deepEqual(
      address.answers.map((answer) => answer.address),
      ['10.0.0.1'],
    )
    const srv = await dns2Ask(at, '_http._tcp.svc1.testns.svc.cluster.local', 'SRV', transport)
    t.deepEqual(
      srv.answers.map((answer) => [answer.target, answer.port]),
      [['svc1.testns.svc.cluster.local', 80]],
    )
    const missing = await dns2Ask(at, 'none.testns.svc.cluster.local', 'A', transport)
    t.is(missing.header.rcode, 3)
  }
})

test('pods disabled and pods verified', async (t) => {
  const { store, source } = await clusterOf(t, ...fixture)
  const disabled = await serve(t, corefile(''), { store })
  await check(t, disabled.port, [
    ...nx('10-240-0-1.podns.pod', 'A'),
    ...nx('podns.pod', 'A'),
    ...nodata('pod', 'A'),
  ])
  const verified = await serve(t, corefile('pods verified'), { store })
  await check(t, verified.port, [
    { name: '10-240-0-1.podns.pod', type: 'A', answer: [`10-240-0-1.podns.pod.${Z} 5 A 10.240.0.1`] },
    ...nodata('10-240-0-1.podns.pod', 'AAAA'),
    ...nx('172-0-0-2.podns.pod', 'A'),
    ...nx('10-240-0-2.podns.pod', 'A'),
    ...nx('10-240-0-1.testns.pod', 'A'),
    ...nodata('podns.pod', 'A'),
    ...nx('10-240-0-1.pod-nons.pod', 'A'),
  ])
  source.delete('Pod', 'podns/foo')
  await check(t, verified.port, nx('10-240-0-1.podns.pod', 'A'))
})

test('options: namespaces, labels, ttl, noendpoints, ignore, endpoint_pod_names, fallthrough', async (t) => {
  const { store } = await clusterOf(t, ...fixture)
  const rowsFor: [string, Row[]][] = [
    [
      'namespaces testns',
      [
        ...nx('svc1.unexposedns.svc', 'A'),
        ...nx('unexposedns.svc', 'A'),
        ...nx('77.0.0.10.in-addr.arpa.', 'PTR'),
        { name: svc1, type: 'A', answer: [`${svc1}.${Z} 5 A 10.0.0.1`] },
      ],
    ],
    [
      'namespace_labels exposed=yes',
      [...nx(svc1, 'A'), ...nodata('podns.svc', 'A'), ...nx('testns.svc', 'A')],
    ],
    ['labels app=none', nx(svc1, 'A')],
    [
      'noendpoints',
      [
        ...nx(headless, 'A'),
        ...nx(`ep1a.${svc1}`, 'A'),
        ...nx('4.0.0.172.in-addr.arpa.', 'PTR'),
        { name: svc1, type: 'A', answer: [`${svc1}.${Z} 5 A 10.0.0.1`] },
      ],
    ],
    [
      'ignore empty_service',
      [
        ...nx('svcempty.testns.svc', 'A'),
        {
          name: 'external.testns.svc',
          type: 'CNAME',
          answer: [`external.testns.svc.${Z} 5 CNAME ext.interwebs.test.`],
        },
      ],
    ],
    [
      'endpoint_pod_names',
      [
        {
          name: 'web-0.hdls-pods.testns.svc',
          type: 'A',
          answer: [`web-0.hdls-pods.testns.svc.${Z} 5 A 172.0.0.40`],
        },
        ...nx('172-0-0-40.hdls-pods.testns.svc', 'A'),
      ],
    ],
  ]
  for (const [property, wanted] of rowsFor) {
    const { port: at } = await serve(t, corefile(property), { store })
    await check(t, at, wanted)
  }
  const upstream = await stubUpstream(t, pointers('elsewhere.example.'))
  const { port: at } = await serve(
    t,
    `. {\n bind 127.0.0.1\n kubernetes cluster.local in-addr.arpa {\n fallthrough in-addr.arpa\n ttl 30\n }\n forward . 127.0.0.1:${upstream.port}\n}`,
    { store },
  )
  t.deepEqual((await dig(at, `${svc1}.cluster.local`, 'A')).answer, [`${svc1}.${Z} 30 A 10.0.0.1`])
  t.deepEqual((await dig(at, '9.9.9.9.in-addr.arpa', 'PTR')).answer, [
    '9.9.9.9.in-addr.arpa. 300 PTR elsewhere.example.',
  ])
  t.deepEqual((await dig(at, '9.0.0.10.in-addr.arpa', 'PTR')).answer, [
    `9.0.0.10.in-addr.arpa. 30 PTR svcempty.testns.svc.${Z}`,
  ])
  t.is((await dig(at, 'none.testns.svc.cluster.local', 'A')).status, 'NXDOMAIN')
  t.deepEqual(
    upstream.asked.map(({ name }) => name),
    ['9.9.9.9.in-addr.arpa.'],
  )
})

test('the NS of the zone is the Service that has our address among its endpoints', async (t) => {
  const { store, source } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(t, corefile(), { store })
  const dns = { name: 'dns', protocol: 'UDP', port: at }
  source.apply(
    service('kube-system', 'kube-dns', { clusterIP: '10.0.0.10', ports: [{ ...dns, port: 53 }] }),
    slice('kube-system', 'kube-dns', 'a', [{ addresses: ['127.0.0.1'] }], [dns]),
    service('kube-system', 'other', { clusterIP: '10.0.0.11' }),
    slice('kube-system', 'other', 'a', [{ addresses: ['127.0.0.1'] }]),
  )
  const said = await waitUntil(async () => {
    const found = await dig(at, 'cluster.local', 'NS')
    return found.answer.some((line) => line.includes('kube-dns')) ? found : undefined
  })
  t.deepEqual(said.answer, [`${Z} 5 NS kube-dns.kube-system.svc.${Z}`])
  t.deepEqual(said.additional, [`kube-dns.kube-system.svc.${Z} 5 A 10.0.0.10`])
})

test('changes of the cluster show at once, through the cache too', async (t) => {
  const upstream = await stubUpstream(t, pointers('old.example.'))
  const { store, source } = await clusterOf(t, ...fixture)
  const { port: at } = await serve(
    t,
    `. {\n bind 127.0.0.1\n cache 30\n kubernetes cluster.local in-addr.arpa {\n fallthrough in-addr.arpa\n ttl 30\n }\n forward . 127.0.0.1:${upstream.port}\n}`,
    { store },
  )
  const answers = async (name: string, type: string): Promise<string[]> =>
    [...(await dig(at, name, type)).answer].sort()
  const until = (name: string, type: string, wanted: string[]): Promise<unknown> =>
    waitUntil(async () => JSON.stringify(await answers(name, type)) === JSON.stringify(wanted), {
      what: `${name} ${type} ${wanted.join()}`,
      timeoutMs: 3000,
    })
  t.is((await dig(at, `new.testns.svc.${Z}`, 'A')).status, 'NXDOMAIN')
  t.deepEqual(await answers('50.0.0.10.in-addr.arpa', 'PTR'), ['50.0.0.10.in-addr.arpa. 30 PTR old.example.'])
  t.is((await answers(`${headless}.${Z}`, 'A')).length, 4)
  source.apply(service('testns', 'new', { clusterIP: '10.0.0.50' }))
  await until(`new.testns.svc.${Z}`, 'A', [`new.testns.svc.${Z} 30 A 10.0.0.50`])
  await until('50.0.0.10.in-addr.arpa', 'PTR', [`50.0.0.10.in-addr.arpa. 30 PTR new.testns.svc.${Z}`])
  source.apply(
    slice('testns', 'hdls1', 'a', [{ addresses: ['172.0.0.99'] }]),
    slice('testns', 'hdls1', 'skew', []),
  )
  await until(`${headless}.${Z}`, 'A', [`${headless}.${Z} 30 A 172.0.0.99`])
  source.delete('Service', 'testns/new')
  await waitUntil(async () => (await dig(at, `new.testns.svc.${Z}`, 'A')).status === 'NXDOMAIN')
  t.pass()
})

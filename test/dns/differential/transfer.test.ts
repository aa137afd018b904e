/** Zone transfers, k8s_external, autopath @kubernetes, and signed zones: what needs two plugins. */
import test, { type ExecutionContext } from 'ava'
import { waitUntil } from '../../support/index.ts'
import { namespace, objects, openCluster, pod, service, slice } from './cluster.ts'
import { missingCoredns } from './coredns.ts'
import { clusterDifferences, negativeTtl, optionsEchoed, optUnasked, wholeAny } from './deliberate.ts'
import { type CompareOptions, compare, type Deliberate, type Pair, startPair } from './pair.ts'
import { each, question, send } from './question.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip
const lenient: CompareOptions = {
  serial: true,
  cut: true,
  unused: true,
  deliberate: [...clusterDifferences, negativeTtl, optUnasked, optionsEchoed, wholeAny],
}
const zone = `$TTL 300
@ SOA ns root 7 1800 900 604800 60
@ NS ns
ns A 192.0.2.53
www A 192.0.2.80
txt TXT "some text" "more"
`
const external = [
  ...objects,
  namespace('other'),
  {
    ...service('shop', 'lb', { type: 'LoadBalancer', clusterIP: '10.96.1.1', clusterIPs: ['10.96.1.1'] }),
    status: { loadBalancer: { ingress: [{ ip: '198.51.100.7' }, { ip: '2001:db8:2::7' }] } },
  },
  {
    ...service('shop', 'lbname', { type: 'LoadBalancer', clusterIP: '10.96.1.2', clusterIPs: ['10.96.1.2'] }),
    status: { loadBalancer: { ingress: [{ hostname: 'lb.example.net' }] } },
  },
  service('shop', 'extip', {
    clusterIP: '10.96.1.3',
    clusterIPs: ['10.96.1.3'],
    externalIPs: ['198.51.100.9'],
  }),
  pod('shop', 'client', ['127.0.0.1']),
  service('other', 'far', { clusterIP: '10.96.1.4', clusterIPs: ['10.96.1.4'] }),
  slice('shop', 'lb', [{ addresses: ['10.244.7.1'], conditions: { ready: true } }]),
]

async function start(t: ExecutionContext, corefile: (kubeconfig: string) => string): Promise<Pair> {
  const { kubeconfig, store } = await openCluster(t, external)
  return await startPair(t, {
    store,
    files: { zone, 'resolv.conf': 'search one.test\n' },
    corefile: corefile(kubeconfig),
  })
}

const belowService: Deliberate = {
  why: 'below a service with an address there are its ports and nothing else; the zone has a name server on loopback, too',
  forgive: (lines, query) => (/^svc\.lb|^ns1\.dns|^ext\.test\. NS/.test(query) ? [] : lines),
}
const nameServers: Deliberate = {
  why: 'dns-version is part of the zone, addresses of links are not; each record stands there once',
  forgive: (lines) =>
    lines.filter(
      (line) =>
        !/answer: (?:dns-version|ns\.dns|_pg\._tcp\.db\.shop)\.|SRV 0 WEIGHT (?:443 catalog|53 kube-dns)/.test(
          line,
        ),
    ),
}
const otherwise: Deliberate = {
  why: 'IXFR without the SOA the client has is AXFR; names that are no zone are NOTAUTH, those of others REFUSED',
  forgive: (lines, query) => (/IXFR|^www|^example\.com/.test(query) ? [] : lines),
}

const kubernetes = (kubeconfig: string, ...lines: readonly string[]): string =>
  `kubernetes cluster.local 10.0.0.0/8 {\n        kubeconfig ${kubeconfig}\n        ${lines.join('\n        ')}\n    }`

differential('k8s_external', async (t) => {
  t.timeout(120_000)
  const pair = await start(
    t,
    (kubeconfig) => `. {
    bind 127.0.0.1
    ${kubernetes(kubeconfig)}
    k8s_external ext.test {
        apex dns
        ttl 33
        headless
    }
    whoami
}
`,
  )
  const names =
    'lb.shop lbname.shop extip.shop loadbalanced.shop catalog.shop db.shop db-0.db.shop 10-244-1-3.db.shop nothere.shop lb.nowhere lb shop dns ns1.dns x.ns1.dns svc.lb.shop _http._tcp.lb.shop _pg._tcp.db.shop _http._tcp.nothere.shop'
  const asked = [
    ...names.split(' ').map((name) => `${name}.ext.test.`),
    'ext.test.',
    'LB.Shop.EXT.test.',
    '7.100.51.198.in-addr.arpa.',
  ]
  await compare(t, pair, each(asked, 'A AAAA SRV PTR TXT SOA NS CNAME MX ANY', '', '+edns'), {
    ...lenient,
    deliberate: [...(lenient.deliberate ?? []), belowService],
    text: (line) => line.replace(/ SRV 0 0 \d+ \.$/, ''),
    // SRV and CNAME have 5 s there whatever ttl says
    ttl: 28,
  })
})

differential('AXFR and IXFR of file and kubernetes', async (t) => {
  t.timeout(120_000)
  const pair = await start(
    t,
    (kubeconfig) => `example.org {
    transfer {
        to *
    }
    file {DIR}/zone
}
none.test {
    file {DIR}/zone
}
closed.test {
    transfer {
        to 192.0.2.1
    }
    file {DIR}/zone
}
. {
    transfer cluster.local {
        to *
    }
    ${kubernetes(kubeconfig)}
}
`,
  )
  const names = [
    'example.org.',
    'www.example.org.',
    'none.test.',
    'closed.test.',
    'example.com.',
    'EXAMPLE.org.',
  ]
  await compare(t, pair, [...each(names, 'AXFR IXFR', '+tcp', '')], { ...lenient, deliberate: [otherwise] })
  await compare(t, pair, ['cluster.local. AXFR +tcp'], {
    ...lenient,
    deliberate: [nameServers],
    // weights are those of answers to queries; each family for itself there
    text: (line) => line.replace(/ SRV 0 \d+ /, ' SRV 0 WEIGHT '),
  })
})

differential('each as the secondary of the other', async (t) => {
  t.timeout(120_000)
  const primaries = await startPair(t, {
    files: { zone },
    corefile: 'example.org {\n    transfer {\n        to *\n    }\n    file {DIR}/zone\n}\n',
  })
  const from = (port: number) => (text: string) => text.replace('{FROM}', `127.0.0.1:${port}`)
  const secondaries = await startPair(t, {
    corefile: 'example.org {\n    secondary {\n        transfer from {FROM}\n    }\n}\n',
    only: { ours: from(primaries.theirs.port), theirs: from(primaries.ours.port) },
  })
  const there = (name: string) => async (): Promise<boolean> => {
    const asked = question(`${name} A`)
    const replies = await Promise.all(
      [secondaries.ours, secondaries.theirs].map(({ port }) => send(port, asked)),
    )
    return replies.every(([reply]) => reply !== undefined && reply.readUInt16BE(6) > 0)
  }
  await waitUntil(there('www.example.org.'), { timeoutMs: 30_000 })
  const names = 'example.org. www.example.org. txt.example.org. none.example.org.'
  await compare(t, secondaries, each(names, 'A SOA NS TXT', '', '+tcp'), lenient)
})

differential('autopath @kubernetes', async (t) => {
  t.timeout(120_000)
  const pair = await start(
    t,
    (kubeconfig) => `. {
    autopath @kubernetes
    ${kubernetes(kubeconfig, 'pods verified')}
    file {DIR}/zone example.org
    whoami
}
`,
  )
  const names =
    'catalog.shop.svc.cluster.local. catalog.svc.cluster.local. catalog.shop.shop.svc.cluster.local. www.example.org.shop.svc.cluster.local. WWW.example.org.shop.svc.cluster.local. catalog.shop.svc.cluster.local.shop.svc.cluster.local. www.example.org.svc.cluster.local. www.example.org.'
  await compare(t, pair, each(names, 'A AAAA'), lenient)
})

differential('import, snippets, environment, several zones and reverse zones of a block', async (t) => {
  process.env['PLEXUS_DIFFERENTIAL'] = 'env.test'
  const pair = await startPair(t, {
    files: { zone, 'more.conf': 'hosts {\n    192.0.2.9 x.imported.test\n    fallthrough\n}\nwhoami\n' },
    corefile: `(common) {
    hosts {
        192.0.2.8 x.snippet.test
        fallthrough
    }
    whoami
}
snippet.test 192.0.2.0/25 {
    import common
}
imported.test, other.test:{PORT} {
    import {DIR}/more.conf
}
{$PLEXUS_DIFFERENTIAL} {%PLEXUS_DIFFERENTIAL%}.second {
    file {DIR}/zone {$PLEXUS_DIFFERENTIAL}
}
2001:db8::/33 {
    whoami
}
`,
  })
  const names =
    'x.snippet.test. x.imported.test. x.other.test. www.env.test. env.test. www.env.test.second. 1.2.0.192.in-addr.arpa. 8.2.0.192.in-addr.arpa. 200.2.0.192.in-addr.arpa. 1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. f.8.b.d.0.1.0.0.2.ip6.arpa. test.'
  await compare(t, pair, each(names, 'A PTR SOA'), {
    ...lenient,
    text: (line) => line.replace(/ SRV 0 0 \d+ \.$/, ''),
  })
})

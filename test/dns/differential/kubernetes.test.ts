/** The kubernetes plugin over an API server, with every option, against CoreDNS over the same one. */
import test, { type ExecutionContext } from 'ava'
import { names, objects, openCluster } from './cluster.ts'
import { missingCoredns } from './coredns.ts'
import { clusterDifferences } from './deliberate.ts'
import { type CompareOptions, compare, type Pair, startPair } from './pair.ts'
import { each } from './question.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip
const types = 'A AAAA SRV PTR TXT CNAME NS SOA MX ANY HTTPS'

const external = `example.org.  3600 IN SOA ns.example.org. host.example.org. 1 2 3 4 5
example.org. 3600 IN NS ns.example.org.
ns.example.org. 60 IN A 192.0.2.53
www.example.org. 60 IN A 192.0.2.80
`

/** Both servers over one API server; `options` are the lines of the plugin's block. */
async function start(t: ExecutionContext, options: string, more = ''): Promise<Pair> {
  const { kubeconfig, store } = await openCluster(t, objects)
  return await startPair(t, {
    store,
    files: { 'example.org.zone': external },
    corefile: `. {
    bind 127.0.0.1
    ${more}
    kubernetes cluster.local 10.0.0.0/8 172.18.0.0/16 fd00::/16 {
        kubeconfig ${kubeconfig}
        ${options}
    }
    file {DIR}/example.org.zone example.org
}
`,
  })
}

const lenient: CompareOptions = {
  serial: true,
  cut: true,
  unused: true,
  deliberate: clusterDifferences,
}

const asked = each(names, types)

const variants: Readonly<Record<string, readonly [options: string, more?: string]>> = {
  defaults: [''],
  'pods insecure': ['pods insecure\n ttl 30'],
  'pods verified, endpoint_pod_names': ['pods verified\n endpoint_pod_names'],
  'namespaces, noendpoints': ['namespaces shop empty\n noendpoints'],
  'namespace_labels, ignore empty_service': ['namespace_labels team=shop\n ignore empty_service'],
  'labels, ttl 0': ['labels app=catalog\n ttl 0'],
  fallthrough: ['fallthrough'],
  'fallthrough in zones': ['pods insecure\n fallthrough in-addr.arpa ip6.arpa'],
}

for (const [what, [options, more]] of Object.entries(variants)) {
  differential(what, async (t) => {
    t.timeout(300_000)
    const pair = await start(t, options, more)
    await compare(t, pair, what === 'defaults' ? asked : each(names, 'A AAAA SRV PTR TXT CNAME'), lenient)
  })
}

differential('over TCP, with EDNS, in the order of targets', async (t) => {
  t.timeout(300_000)
  const pair = await start(t, '')
  await compare(t, pair, each(names, 'A SRV', '+tcp', '+do', '+size=512'), lenient)
})

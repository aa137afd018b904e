import type { Cluster } from '../cluster/cluster.ts'
import { GATEWAY_PORT } from '../cluster/node-files.ts'
import { isReady } from '../cluster/pods-ready.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { nameFlag } from './hold-lock.ts'

/** Tells how to get into a running lab: commands that work as they stand. */
export function howToEnter(terminal: Terminal, cluster: Cluster): void {
  const { layout, plan } = cluster
  const flag = nameFlag(layout.name)
  const running = [...cluster.store.list('Pod')].find((one) => !one.spec.hostNetwork && isReady(one))
  const pod = running?.metadata.name ?? 'POD'
  const host = [...cluster.store.list('Ingress')]
    .flatMap(({ spec }) => spec.rules)
    .find(({ host }) => host)?.host
  const header = host === undefined ? '' : ` -H 'Host: ${host}'`
  const gateways =
    plan.loadBalancers.length > 0
      ? plan.loadBalancers
      : plan.nodes.map(({ address }) => `${address}:${GATEWAY_PORT}`)
  const onNode = `bin/plexus lab exec${flag} ${plan.nodes[0]?.name ?? 'node1'} --`
  const service = [...cluster.store.list('Service')].find(({ spec }) => /^[\d.]+$/.test(spec.clusterIP))
  const traced = `${running?.metadata.namespace}/${pod} ${service?.metadata.namespace}/${service?.metadata.name}:${service?.spec.ports[0]?.port}`
  const entries: [string, string][] = [
    ['a shell in a pod', `bin/plexus lab exec${flag} ${pod} -- bash`],
    ['a command in it', `bin/plexus lab exec${flag} ${pod} -- cat /etc/resolv.conf`],
    ['a node', `${onNode} ip -brief address`],
    ['what its agent says', `${onNode} bin/plexus status`],
    ['why, and where to', `${onNode} bin/plexus trace ${traced}`],
    ['the gateway', gateways.map((address) => `curl${header} http://${address}/`)[0] ?? ''],
    ['manifests', `${layout.manifests}  (edit, add, delete: the cluster follows at once)`],
    ['everything there is', `bin/plexus lab status${flag}`],
    ['logs', layout.logs],
  ]
  terminal.line()
  for (const [what, how] of entries) terminal.line(`  ${terminal.paint(what.padEnd(20), 'dim')} ${how}`)
  terminal.line()
}

import { RouteSocket } from '#netlink'
import { namespaceName, netnsPath } from '../cluster/names.ts'
import { findProgram } from '../cluster/preflight.ts'
import { shopAnswer, type Tour } from './tour.ts'

const VXLAN_DEVICE = 'flannel.1'
const VXLAN_PORT = '8472'
const TABLE = 'plexus_tour'

/** A pod on node1 reaches a pod on node2 by IP, across VXLAN. */
export async function acrossNodes(tour: Tour): Promise<void> {
  const [from, to] = [tour.pod('web-1'), tour.pod('catalog-2')]
  await withUnderlayCounter(tour, async (count) => {
    const before = { out: vxlanSent(tour, 'node1'), back: vxlanSent(tour, 'node2'), wire: await count() }
    const url = `http://${to.status.podIP}:8080/`
    const { stdout } = await tour.run('web-1', ['curl', '-sS', '--max-time', '5', url])
    const answer = shopAnswer(stdout)
    tour.expect(
      answer?.pod === 'catalog-2' && answer.node === 'node2',
      `web-1 (${from.status.podIP} on node1) reached ${answer?.pod ?? 'nobody'} (${to.status.podIP} on ${answer?.node ?? '?'})`,
    )
    const wire = (await count()) - before.wire
    const out = vxlanSent(tour, 'node1') - before.out
    const back = vxlanSent(tour, 'node2') - before.back
    const [one, other] = [tour.node('node1').address, tour.node('node2').address]
    tour.expect(
      wire > 0 && out > 0 && back > 0,
      `${wire} encapsulated packets (UDP ${VXLAN_PORT}) crossed the underlay between ${one} and ${other}: ${VXLAN_DEVICE} sent ${out} on node1, ${back} on node2`,
    )
  })
}

function vxlanSent(tour: Tour, node: string): number {
  using socket = new RouteSocket({ netns: netnsPath(namespaceName(tour.cluster.layout.name, node)) })
  return socket.link(VXLAN_DEVICE, { stats: true })?.stats64?.txPackets ?? 0
}

/** Counts VXLAN packets where they pass the switch of the lab: a rule of nft's own in the fabric's namespace. */
async function withUnderlayCounter(
  tour: Tour,
  use: (count: () => Promise<number>) => Promise<void>,
): Promise<void> {
  const nft = async (...args: string[]) => {
    const result = await tour.runSilently('fabric', [findProgram('nft') ?? 'nft', '-j', ...args])
    if (result.code !== 0) throw new Error(`nft ${args.join(' ')}: ${result.stderr.trim()}`)
    return result.stdout
  }
  await nft(
    `add table bridge ${TABLE}; ` +
      `add chain bridge ${TABLE} vxlan { type filter hook forward priority 0; }; ` +
      `add rule bridge ${TABLE} vxlan ether type ip ip protocol udp udp dport ${VXLAN_PORT} counter`,
  )
  try {
    await use(async () => {
      const listing = await nft('list', 'chain', 'bridge', TABLE, 'vxlan')
      return Number(/"packets":\s*(\d+)/.exec(listing)?.[1] ?? Number.NaN)
    })
  } finally {
    await nft('delete', 'table', 'bridge', TABLE)
  }
}

// (c) What a connection through a Service costs: microseconds and CPU, beside a direct one.
import { createNetns, deleteNetns } from '#netlink'
import { median, printTable, rounded } from '../support/table.ts'
import { endpointAddress, serviceAddress } from './cluster.ts'
import { inside, ip, listenIn, namespacePath } from './namespaces.ts'

const connectSizes = { plexus: 10_000, 'kube-proxy layout': Number(process.env['BENCH_NFT_CONNECT'] ?? 1000) }
const connections = Number(process.env['BENCH_CONNECTIONS'] ?? 2000)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)

interface Sample {
  readonly us: number
  /** the best hundred in a row: what it costs when nobody else runs */
  readonly floorUs: number
  readonly cpuUs: number
}

/** A client and a server in namespaces joined by a veth pair; the Services' rules are in the client's. */
export async function connectionCosts(): Promise<void> {
  const server = namespacePath('server')
  const names = ['direct', 'plexus', 'kube-proxy layout'] as const
  const clients = names.map((name, index) => ({
    name,
    netns: namespacePath(`client${index}`),
    samples: [] as Sample[],
  }))
  for (const netns of [server, ...clients.map((client) => client.netns)]) createNetns(netns)
  const listener = listenIn(server)
  try {
    for (const [index, { name, netns }] of clients.entries()) {
      wire(netns, server, index)
      if (name === 'plexus') inside(netns, 'plexus-program.ts', [String(connectSizes[name]), '1', 'keep'])
      if (name === 'kube-proxy layout')
        inside(netns, 'kube-proxy-program.ts', [String(connectSizes[name]), '1', 'keep'])
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const { name, netns, samples } of clients) {
        const target = name === 'direct' ? [endpointAddress(0, 0), '8080'] : [serviceAddress(0), '80']
        samples.push(
          JSON.parse(inside(netns, 'connect-program.ts', [...target, String(connections)])) as Sample,
        )
      }
    }
  } finally {
    listener.kill()
    for (const netns of [server, ...clients.map((client) => client.netns)]) deleteNetns(netns)
  }
  const rows = clients.map(({ name, samples }) => ({
    way: name === 'direct' ? name : `${name}, ${connectSizes[name]} services`,
    'us per connection': rounded(median(samples.map(({ us }) => us))),
    'floor us': rounded(Math.min(...samples.map(({ floorUs }) => floorUs))),
    'CPU us per connection': rounded(median(samples.map(({ cpuUs }) => cpuUs))),
    'connections/s': rounded(1e6 / median(samples.map(({ us }) => us)), 0),
  }))
  printTable(
    `proxy: ${connections} connections one after the other, median of ${rounds} interleaved rounds`,
    rows,
  )
}

/** Joins client number `index` and the server, which has the address of the first endpoint. */
function wire(client: string, server: string, index: number): void {
  const [here, there] = [`10.200.${index}.2`, `10.200.${index}.1`]
  ip(client, 'link set lo up')
  ip(client, `link add eth0 type veth peer name c${index} netns ${server.split('/').at(-1)}`)
  ip(client, `addr add ${here}/24 dev eth0`)
  ip(client, 'link set eth0 up')
  ip(server, `addr add ${there}/24 dev c${index}`)
  ip(server, `link set c${index} up`)
  if (index === 0) ip(server, `addr add ${endpointAddress(0, 0)}/32 dev lo`)
  ip(server, 'link set lo up')
  ip(client, `route add default via ${there}`)
}

// (c) What a connection through a Service costs: microseconds and CPU, beside a direct one.
import { createNetns, deleteNetns } from '#netlink'
import { median, printTable, rounded } from '../support/table.ts'
import { endpointAddress, serviceAddress } from './cluster.ts'
import { inside, ip, listenIn, namespacePath } from './namespaces.ts'

const peerSize = Number(process.env['BENCH_NFT_CONNECT'] ?? 1000)
const connections = Number(process.env['BENCH_CONNECTIONS'] ?? 2000)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)

interface Way {
  readonly name: string
  /** what writes the rules, and its arguments; none: straight to the server */
  readonly program: readonly string[]
}

interface Sample {
  readonly us: number
  /** the best hundred in a row: what it costs when nobody else runs */
  readonly floorUs: number
  readonly cpuUs: number
}

/**
 * A client and a server in namespaces joined by a veth pair; the Services' rules are in the client's. `kubeProxy` is its
 * binary, if there is one.
 */
export async function connectionCosts(kubeProxy: string | undefined): Promise<void> {
  const server = namespacePath('server')
  const ways: readonly Way[] = [
    { name: 'direct', program: [] },
    { name: 'plexus, 10000 services', program: ['plexus-program.ts', '10000'] },
    {
      name: `kube-proxy layout, ${peerSize} services`,
      program: ['kube-proxy-program.ts', String(peerSize)],
    },
    ...(kubeProxy === undefined
      ? []
      : [
          {
            name: `kube-proxy 1.34, ${peerSize} services`,
            program: ['real-kube-proxy-program.ts', kubeProxy, String(peerSize)],
          },
        ]),
  ]
  const clients = ways.map((way, index) => ({
    ...way,
    netns: namespacePath(`client${index}`),
    samples: [] as Sample[],
  }))
  for (const netns of [server, ...clients.map((client) => client.netns)]) createNetns(netns)
  const listener = listenIn(server)
  try {
    for (const [index, { program, netns }] of clients.entries()) {
      wire(netns, server, index)
      const [file, ...args] = program
      if (file !== undefined) inside(netns, file, [...args, '1', 'keep'])
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const { program, netns, samples } of clients) {
        const target = program.length === 0 ? [endpointAddress(0, 0), '8080'] : [serviceAddress(0), '80']
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
    way: name,
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

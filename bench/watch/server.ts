// A process of its own: the API server that all contenders read, and the changes in it.
import { ApiServer } from '../../test/apiserver/api-server.ts'
import { clusterSize, fill, slice } from './cluster.ts'

const [kubeconfig = '', share = '1'] = process.argv.slice(2)
const size = clusterSize(Number(share))
const server = await ApiServer.start()
fill(server, size)
server.writeKubeconfig(kubeconfig)
const now = (): number => performance.timeOrigin + performance.now()

/** made in all: every Service in turn */
let changes = 0

/** `rate` changes a second for `seconds`, ten milliseconds' worth at a time. */
async function change(rate: number, seconds: number): Promise<void> {
  const begun = now()
  const total = rate * seconds
  let made = 0
  while (made < total) {
    const due = Math.min(total, Math.floor(((now() - begun) / 1000) * rate))
    for (; made < due; made++, changes++) {
      const ready = Math.floor(changes / size.services) % 2 === 1
      server.put(slice((changes * 7919) % size.services, size, { at: now(), ready }))
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

process.on(
  'message',
  async (message: { change?: { rate: number; seconds: number }; watches?: true; forget?: true }) => {
    if (message.change !== undefined) await change(message.change.rate, message.change.seconds)
    if (message.forget !== undefined) server.requests.length = 0
    process.send?.({
      requests: server.requests.length,
      watches: server.requests.filter(({ verb }) => verb === 'watch').length,
      open: server.watches.size,
      connections: server.network.connections,
    })
  },
)
process.send?.({ ready: true, size })

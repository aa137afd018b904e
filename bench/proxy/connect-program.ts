// Connects again and again, one connection at a time, closing with a reset so that no port lingers; prints microseconds per
// connection and CPU microseconds per connection (of the whole path: on a veth pair it runs in the client's context).
//     connect-program.ts ADDRESS PORT COUNT
import { connect } from 'node:net'

const [address = '', port = '', count = ''] = process.argv.slice(2)

function once(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port: Number(port) })
    socket.on('error', reject)
    socket.on('connect', () => {
      socket.on('close', () => resolve())
      socket.resetAndDestroy()
    })
  })
}

for (let step = 0; step < 200; step += 1) await once()
const batches: number[] = []
const cpu = process.cpuUsage()
let made = 0
while (made < Number(count)) {
  const began = performance.now()
  for (let step = 0; step < 100; step += 1) await once()
  batches.push(((performance.now() - began) * 1000) / 100)
  made += 100
}
const used = process.cpuUsage(cpu)
batches.sort((a, b) => a - b)
process.stdout.write(
  `${JSON.stringify({ us: batches[batches.length >> 1], floorUs: batches[0], cpuUs: (used.user + used.system) / made })}\n`,
)

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import test from 'ava'
import { NET_NETWORK } from '../../ingress/http/net-network.ts'
import type { Network } from '../../ingress/http/network.ts'
import { loadBinding } from '../../ingress/http/raw/binding.ts'
import { RawNetwork } from '../../ingress/http/raw/raw-network.ts'
import { NOBODY, type Transport } from '../../ingress/http/transport.ts'
import { temporaryDirectory } from './support/gateway.ts'

const CLIENTS = 40

/** Opens connections, makes a file when all are open, and says what came of each. */
const CLIENT = `
const net = require('node:net')
const [port, file] = process.argv.slice(1)
let open = 0, ended = 0
const answers = {}
const end = (what) => {
  answers[what] = (answers[what] ?? 0) + 1
  if (++ended === ${CLIENTS}) { console.log(JSON.stringify(answers)); process.exit() }
}
for (let n = 0; n < ${CLIENTS}; n++) {
  const socket = net.connect(Number(port), '127.0.0.1')
  let got = ''
  socket.on('connect', () => { if (++open === ${CLIENTS}) require('node:fs').writeFileSync(file, '') })
  socket.on('data', (data) => { got += data })
  socket.on('error', (error) => { got = error.code })
  socket.on('close', () => end(got))
}
`

const raw = (): Network | undefined => {
  const binding = loadBinding()
  return binding === undefined ? undefined : new RawNetwork(binding)
}

/** Greets, and ends the connection. */
function greet(transport: Transport, text: string): void {
  transport.receiver = { ...NOBODY, onEnd: () => transport.destroy() }
  transport.write(text)
  transport.end()
}

for (const [first, second] of [
  ['net', 'net'],
  ['net', 'raw'],
  ['raw', 'net'],
  ['raw', 'raw'],
] as const) {
  test(`what the kernel has queued on a ${first} port is accepted by the ${second} port that takes it over`, async (t) => {
    const networks = { net: NET_NETWORK, raw: raw() }
    const [from, to] = [networks[first], networks[second]]
    if (from === undefined || to === undefined) {
      t.pass('this Node has no raw handles')
      return
    }
    const accept = (network: Network, text: string, more: object = {}) =>
      network.accept({
        host: '127.0.0.1',
        port: 0,
        reusePort: true,
        onConnection: (transport) => greet(transport, text),
        ...more,
      })
    const before = await accept(from, 'before')
    const file = path.join(temporaryDirectory(t), 'open')
    const client = spawn(process.execPath, ['-e', CLIENT, String(before.address.port), file])
    t.teardown(() => client.kill())
    let said = ''
    client.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    // Nothing is accepted meanwhile: this holds the event loop up.
    execFileSync('sh', ['-c', `for n in $(seq 600); do [ -e ${file} ] && exit 0; sleep 0.05; done; exit 1`])
    const after = await accept(to, 'after', { inherited: before.release() })
    await before.close()
    t.deepEqual(after.address, before.address)
    await once(client, 'close')
    t.is(said.trim(), JSON.stringify({ after: CLIENTS }))
    await after.close()
  })
}

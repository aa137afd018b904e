import { once } from 'node:events'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { NET_NETWORK, type Network, type Transport } from '../../ingress/http/index.ts'
import { loadBinding } from '../../ingress/http/raw/binding.ts'
import { RawNetwork } from '../../ingress/http/raw/raw-network.ts'
import { selfTest } from '../../ingress/http/raw/self-test.ts'
import { CLOSED_PORT, httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const binding = loadBinding()

test('this Node has the raw handles, and they pass their self-test', async (t) => {
  if (binding === undefined) return t.fail('no binding')
  t.is(await selfTest(new RawNetwork(binding)), undefined)
})

test('the self-test passes on public sockets and tells a network that loses bytes from one that works', async (t) => {
  t.is(await selfTest(NET_NETWORK), undefined)
  const lossy: Network = {
    ...NET_NETWORK,
    connect: (options) =>
      NET_NETWORK.connect({
        ...options,
        onConnect(transport) {
          options.onConnect(transport)
          const { receiver } = transport
          transport.receiver = {
            onData: (buffer, length) => receiver.onData(buffer, length - 1),
            onDrain: () => receiver.onDrain(),
            onEnd: () => receiver.onEnd(),
            onClose: (error) => receiver.onClose(error),
          }
        },
      }),
  }
  t.regex((await selfTest(lossy)) ?? '', /unexpected bytes/)
})

test('connecting where nobody listens is an error, on either network', async (t) => {
  const networks: Network[] = [NET_NETWORK, ...(binding === undefined ? [] : [new RawNetwork(binding)])]
  for (const network of networks) {
    const error = await new Promise<NodeJS.ErrnoException>((resolve, reject) => {
      network.connect({
        host: '127.0.0.1',
        port: CLOSED_PORT,
        onConnect: () => reject(new Error('connected')),
        onError: resolve,
      })
    })
    t.is(error.code, 'ECONNREFUSED', network.name)
    const taken = await network.accept({ host: '127.0.0.1', port: 0, reusePort: false, onConnection() {} })
    const again = network.accept({ ...taken.address, reusePort: false, onConnection() {} })
    t.is(((await t.throwsAsync(again, undefined, network.name)) as NodeJS.ErrnoException).code, 'EADDRINUSE')
    await taken.close()
  }
})

test('answers to many clients at once arrive whole and in order, however the server ends', async (t) => {
  if (binding === undefined) return t.fail('no binding')
  const endings: readonly ((transport: Transport) => void)[] = [
    (transport) => transport.end(),
    (transport) => transport.end({ silent: true }),
    (transport) => transport.destroy(),
    // Behind the text: what is too large to be put back, and pieces that leave together.
    (transport) => {
      transport.writeHeld(Buffer.alloc(200_000, 'h'))
      transport.end()
    },
    (transport) => {
      transport.cork()
      transport.write('pie')
      transport.write('ces')
      transport.uncork()
      transport.end()
    },
    (transport) => {
      for (let count = 0; count < 20; count++) transport.write('t'.repeat(10_000))
      transport.end()
    },
  ]
  const rests = ['', '', '', 'h'.repeat(200_000), 'pieces', 't'.repeat(200_000)]
  const waiting: Transport[] = []
  const port = await new RawNetwork(binding).accept({
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    onConnection(transport) {
      transport.receiver = {
        onData() {
          waiting.push(transport)
          if (waiting.length < clients) return
          // All of them have asked: from here on their answers are worth gathering.
          for (const [index, one] of waiting.entries()) {
            one.write(`number ${index} `)
            one.write('follows: ')
            endings[index % endings.length]?.(one)
          }
        },
        onDrain() {},
        onEnd: () => transport.destroy(),
        onClose() {},
      }
    },
  })
  const clients = 60
  const answers: Promise<string>[] = []
  for (let client = 0; client < clients; client++) {
    const socket = net.connect(port.address)
    answers.push(text(socket))
    await once(socket, 'connect')
    socket.write('it')
  }
  for (const answer of await Promise.all(answers)) {
    const index = Number(/number (\d+)/.exec(answer)?.[1])
    t.is(answer, `number ${index} follows: ${rests[index % rests.length]}`)
  }
  await port.close()
})

for (const transport of ['net', 'raw'] as const) {
  test(`large bodies both ways at once and a name as upstream, on ${transport}`, async (t) => {
    const backend = await httpBackend(t)
    const { url, put } = await testGateway(t, { config: { transport } })
    await put('/routes/1', { uri: '/*', upstream: { nodes: { [`localhost:${backend.port}`]: 1 } } })
    const bodies = Array.from({ length: 8 }, (_, index) => Buffer.alloc(1_500_000 + index, String(index)))
    const answers = await Promise.all(
      bodies.map(async (body) => {
        const response = await fetch(`${url}/echo`, { method: 'POST', body })
        return Buffer.from(await response.arrayBuffer())
      }),
    )
    for (const [index, answer] of answers.entries()) t.true(answer.equals(bodies[index] ?? Buffer.alloc(0)))
  })
}

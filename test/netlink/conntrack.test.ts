import test from 'ava'
import { ConntrackSocket } from '../../netlink/index.ts'
import { testNamespace } from '../support/index.ts'

const send = `
  const { createSocket } = require('node:dgram')
  const targets = [['udp4', '127.0.0.1'], ['udp4', '127.0.0.2'], ['udp6', '::1'], ['udp6', 'fd00::2']]
  for (const [kind, address] of targets) for (const port of [7, 9]) {
    const socket = createSocket(kind)
    socket.send('x', port, address, () => socket.close())
  }
`

test('connections are found by destination and port, and deleted, in both families', (t) => {
  const namespace = testNamespace(t, 'flows')
  namespace.run('ip', 'addr', 'add', 'fd00::2/128', 'dev', 'lo')
  // Connections are tracked where a rule asks for their state.
  namespace.nft('add', 'table', 'inet', 't')
  namespace.nft('add', 'chain', 'inet', 't', 'out', '{ type filter hook output priority 0; }')
  namespace.nft('add', 'rule', 'inet', 't', 'out', 'ct', 'state', 'new', 'accept')
  namespace.run(process.execPath, '-e', send)
  const conntrack = new ConntrackSocket({ netns: namespace.path })
  t.teardown(() => conntrack.close())
  for (const [family, here] of [
    [4, '127.0.0.2'],
    [6, 'fd00::2'],
  ] as const) {
    const all = { family, protocol: 17 }
    const found = (filter: { destination?: string; destinationPort?: number }) =>
      conntrack
        .entries({ ...all, ...filter })
        .map(({ original }) => `${original.destination} ${original.destinationPort}`)
        .sort()
    t.is(found({}).length, 4)
    t.deepEqual(found({ destination: here }), [`${here} 7`, `${here} 9`])
    t.deepEqual(found({ destination: here, destinationPort: 9 }), [`${here} 9`])
    t.deepEqual(found({ destination: family === 4 ? '127.0.0.3' : 'fd00::3' }), [])
    const [entry] = conntrack.entries({ ...all, destination: here, destinationPort: 9 })
    if (entry === undefined) return t.fail()
    t.true(conntrack.delete(entry))
    t.false(conntrack.delete(entry))
    t.deepEqual(found({ destination: here }), [`${here} 7`])
  }
})

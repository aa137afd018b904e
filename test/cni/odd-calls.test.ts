// Calls that make no sense, or hardly any: our plugins must answer as the reference plugins do, success or failure and code.
import test from 'ava'
import { type Invocation, type Json, Node, type Outcome, referenceDirectory } from './runtime.ts'

type Call = Partial<Invocation> & { readonly ipam?: Json | null }

const subnet = (more: Json): Call => ({ ipam: { subnet: '10.1.2.0/24', ...more } })
const requested = (args: string): Call => ({ args: `IgnoreUnknown=1;${args}` })

const onBridge: [what: string, conf: Json, call: Call][] = [
  ['nothing odd', {}, {}],
  ['a bridge name that is too long', { bridge: 'abcdefghijklmnopq' }, {}],
  ['an MTU no device has', { mtu: 100_000 }, {}],
  ['VLAN 5000', { vlan: 5000 }, {}],
  ['hairpin and promiscuous mode', { hairpinMode: true, promiscMode: true }, {}],
  ['no name', { name: undefined }, {}],
  ['a name with a blank', { name: 'a b' }, {}],
  ['a version that is none', { cniVersion: 'x' }, {}],
  ['a version to come', { cniVersion: '2.0.0' }, {}],
  ['an IPAM plugin that is not there', { ipam: { type: 'nosuch' } }, { ipam: null }],
  ['a prefix length that is none', {}, subnet({ subnet: '10.1.2.0/99' })],
  ['an address for a subnet', {}, subnet({ subnet: '10.1.2.5/24' })],
  ['a subnet without room', {}, subnet({ subnet: '10.1.2.0/31' })],
  ['a range that ends before it starts', {}, subnet({ rangeStart: '10.1.2.100', rangeEnd: '10.1.2.50' })],
  ['a range outside its subnet', {}, subnet({ rangeStart: '10.1.3.1' })],
  ['no ranges', {}, { ipam: { ranges: [] } }],
  ['a gateway that is none', {}, subnet({ gateway: 'x' })],
  ['a route without destination', {}, subnet({ routes: [{ gw: '10.1.2.1' }] })],
  ['a route by a strange gateway', {}, subnet({ routes: [{ dst: '10.9.0.0/16', gw: '10.77.0.1' }] })],
  ['a resolv.conf that is not there', {}, subnet({ resolvConf: '/nonexistent' })],
  ['the gateway asked for', {}, requested('IP=10.1.2.1')],
  ['an address of elsewhere asked for', {}, requested('IP=10.9.9.9')],
  ['an address that is none asked for', {}, requested('IP=x')],
  ['an argument nobody knows', {}, { args: 'FOO=1' }],
  ['an argument without value', {}, { args: 'x' }],
  ['a file for a namespace', {}, { netns: '/etc/hostname' }],
  ['no namespace', {}, { netns: '' }],
  ['a long interface name', {}, { ifname: 'abcdefghijklmnop' }],
  ['an interface name with a slash', {}, { ifname: 'a/b' }],
  ['the name of the loopback device', {}, { ifname: 'lo' }],
  ['a container ID with a slash', {}, { id: 'a/b' }],
  ['a container ID of 250 letters', {}, { id: 'c'.repeat(250) }],
  ['CHECK without prevResult', {}, { command: 'CHECK' }],
  ['CHECK with a strange prevResult', { prevResult: { a: 1 } }, { command: 'CHECK' }],
  ['CHECK before it was invented', { cniVersion: '0.3.1' }, { command: 'CHECK' }],
  ['DEL of what was never there', {}, { command: 'DEL' }],
  ['DEL without a namespace', {}, { command: 'DEL', netns: '/run/netns/plxt-none' }],
  ['a command nobody knows', {}, { command: 'FOO' }],
  ['tuning: CHECK without prevResult', { type: 'tuning' }, { command: 'CHECK', ipam: null }],
  ['tuning: no prevResult', { type: 'tuning' }, { ipam: null }],
  ['portmap: no prevResult', { type: 'portmap' }, { ipam: null }],
  ['portmap: CHECK without prevResult', { type: 'portmap' }, { command: 'CHECK', ipam: null }],
]

test('odd calls are answered as the reference plugins answer them', async (t) => {
  const ours = new Node(t, 'shim')
  const theirs = new Node(t)
  await ours.agent()
  const pods = [ours, theirs].map((node) => node.pod().path)
  const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'
  for (const [index, [what, more, { ipam, ...call }]] of onBridge.entries()) {
    const answers: Outcome[] = []
    for (const [side, node] of [ours, theirs].entries()) {
      const directory = side === 0 ? undefined : referenceDirectory
      const conf = node.conf({ type: 'bridge', ...more }, ipam)
      const invocation = {
        command: 'ADD',
        id: `c${index}`,
        netns: pods[side] ?? '',
        environment: { PATH, ...(side === 0 ? {} : { CNI_PATH: referenceDirectory }) },
        ...call,
      }
      answers.push(await node.run(conf, invocation, directory))
      if (invocation.command === 'ADD') await node.run(conf, { ...invocation, command: 'DEL' }, directory)
    }
    const [own, reference] = answers.map(({ code, json }) => ({ code, error: json.code }))
    t.deepEqual(own, reference, `${what}: ${answers.map(({ stdout }) => stdout).join('\n')}`)
  }
  t.deepEqual([ours.links(), ours.leases()], [['br0'], []])
})

import test from 'ava'
import { forBoth } from './both.ts'
import { type Json, Node, referenceDirectory } from './runtime.ts'

/** `[protocol, address or *, port, destination]` of every published port, from whichever rules there are. */
function published(node: Node, isOurs: boolean, family: 'ip' | 'ip6'): string[] {
  const found: string[] = []
  if (isOurs) {
    const ruleset = node.host.json<{
      nftables: { map?: { name: string; family: string; elem?: unknown[] } }[]
    }>(...['/usr/sbin/nft', '-j', 'list', 'ruleset'])
    for (const { map } of ruleset.nftables) {
      if (map?.family !== family || !map.name.includes('hostports')) continue
      for (const entry of map.elem ?? []) {
        const [key, data] = entry as [{ elem: { val: { concat: unknown[] } } }, { concat: unknown[] }]
        const parts = key.elem.val.concat.map(String)
        const [port = '', protocol = '', address = '*'] = parts.toReversed()
        found.push([protocol, address, port, data.concat.join(' ')].join(' '))
      }
    }
  } else {
    const rules = node.host.run(family === 'ip' ? 'iptables' : 'ip6tables', '-t', 'nat', '-S')
    for (const line of rules.split('\n').filter((rule) => rule.includes('-j DNAT'))) {
      const value = (flag: string): string => new RegExp(`${flag} (\\S+)`).exec(line)?.[1] ?? ''
      const address = value('-d').replace(/\/(32|128)$/, '') || '*'
      const destination = value('--to-destination')
        .replace(/[[\]]/g, '')
        .replace(/:(\d+)$/, ' $1')
      found.push([value('-p'), address, value('--dport'), destination].join(' '))
    }
  }
  return [...new Set(found)].sort()
}

forBoth(
  'T47, T49: every kind of port mapping; CHECK fails before ADD and after DEL',
  async (t, { isOurs, node, run }) => {
    const pod = node.pod()
    const conf = node.conf(
      { type: 'bridge', isDefaultGateway: true },
      { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]] },
    )
    const { json: prevResult } = await run(conf, { command: 'ADD', netns: pod.path })
    const portMappings = [
      { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
      { hostPort: 8081, containerPort: 80, protocol: 'tcp' },
      { hostPort: 8080, containerPort: 81, protocol: 'udp' },
      { hostPort: 8082, containerPort: 82, protocol: 'udp' },
      { hostPort: 8083, containerPort: 83, protocol: 'tcp', hostIP: '192.168.0.2' },
      { hostPort: 8084, containerPort: 84, protocol: 'tcp', hostIP: '0.0.0.0' },
      { hostPort: 8085, containerPort: 85, protocol: 'tcp', hostIP: '2001:db8:a::1' },
      { hostPort: 8086, containerPort: 86, protocol: 'tcp', hostIP: '::' },
    ]
    const portmap = {
      cniVersion: '1.0.0',
      name: 'net',
      type: 'portmap',
      prevResult,
      runtimeConfig: { portMappings },
    }
    const call = (command: string) => run(portmap, { command, netns: pod.path })
    t.not((await call('CHECK')).code, 0, 'before')
    t.is((await call('ADD')).code, 0)
    const common = (address: string) => [
      `tcp * 8080 ${address} 80`,
      `tcp * 8081 ${address} 80`,
      `udp * 8080 ${address} 81`,
      `udp * 8082 ${address} 82`,
    ]
    t.deepEqual(
      published(node, isOurs, 'ip'),
      [...common('10.1.2.2'), 'tcp 192.168.0.2 8083 10.1.2.2 83', 'tcp * 8084 10.1.2.2 84'].sort(),
    )
    t.deepEqual(
      published(node, isOurs, 'ip6'),
      [...common('fd00:1::2'), 'tcp 2001:db8:a::1 8085 fd00:1::2 85', 'tcp * 8086 fd00:1::2 86'].sort(),
    )
    // CHECK of the reference plugin's 1.1.1 fails with addresses of one family only.
    if (isOurs) t.is((await call('CHECK')).code, 0, 'after')
    t.is((await call('DEL')).code, 0)
    t.deepEqual([published(node, isOurs, 'ip'), published(node, isOurs, 'ip6')], [[], []])
    t.not((await call('CHECK')).code, 0, 'after DEL')
  },
)

test('T48: settings of portmap that cannot be, or are not honoured, are named', async (t) => {
  const node = new Node(t)
  await node.agent()
  const portmap = { cniVersion: '1.0.0', name: 'net', type: 'portmap', socket: node.socket }
  const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80 }] }
  const prevResult = { cniVersion: '1.0.0', ips: [{ address: '10.1.2.3/24' }] }
  const add = async (more: object) => {
    const conf = { ...portmap, runtimeConfig, prevResult, ...more }
    return (await node.run(conf, { command: 'ADD', netns: node.pod().path })).json
  }
  t.regex(
    (await add({ markMasqBit: 5, externalSetMarkChain: 'X' })).msg ?? '',
    /Cannot specify externalSetMarkChain/,
  )
  t.regex((await add({ markMasqBit: 32 })).msg ?? '', /MasqMarkBit must be between 0 and 31/)
  t.regex((await add({ backend: 'x' })).msg ?? '', /unrecognized backend "x"/)
  for (const [name, value] of Object.entries({
    markMasqBit: 5,
    externalSetMarkChain: 'X',
    conditionsV4: ['-s', '1.2.3.4'],
    conditionsV6: ['ip6 saddr ::1'],
  })) {
    t.like(await add({ [name]: value }), { code: 2 }, name)
  }
  t.is((await add({ markMasqBit: 13, conditionsV4: [], backend: 'iptables' })).code, undefined)
})

test('pods that the reference plugins have wired: our DEL and GC leave nothing of them, and other pods alone', async (t) => {
  const node = new Node(t)
  await node.agent()
  const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
  const ranges = { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]] }
  const bridge = node.conf({ type: 'bridge', isDefaultGateway: true, ipMasq: true }, ranges)
  const portmap = (lane: number, prevResult?: unknown): Json => ({
    cniVersion: '1.0.0',
    name: 'net',
    type: 'portmap',
    socket: node.socket,
    prevResult,
    runtimeConfig: { portMappings: [{ hostPort: 8080 + lane, containerPort: 80, protocol: 'tcp' }] },
  })
  const pods = [node.pod(), node.pod()]
  for (const [lane, { path: netns }] of pods.entries()) {
    const call = { command: 'ADD', id: `c${lane}`, netns, environment }
    const added = await node.run(bridge, call, referenceDirectory)
    t.is(added.code, 0, added.stdout)
    t.is((await node.run(portmap(lane, added.json), call, referenceDirectory)).code, 0)
  }
  const rules = () =>
    [4, 6].map((family) => node.host.run(family === 4 ? 'iptables-save' : 'ip6tables-save', '-t', 'nat'))
  const mentioning = (text: RegExp) => rules().filter((all) => text.test(all)).length
  t.is(mentioning(/id: \\?"c0/), 2)
  for (const conf of [portmap(0), bridge]) {
    const deleted = await node.run(conf, { command: 'DEL', id: 'c0', netns: pods[0]?.path ?? '' })
    t.is(deleted.code, 0, deleted.stdout)
  }
  t.is(mentioning(/id: \\?"c0/), 0)
  t.is(mentioning(/--dport 8080/), 0)
  t.is(mentioning(/id: \\?"c1/), 2)
  t.is(mentioning(/--dport 8081/), 2)
  t.deepEqual(node.leases(), ['10.1.2.3', 'fd00:1::3'])
  t.is(node.links().length, 2)
  const gc = (name: string, attachments: object[]) =>
    node.run(
      { ...bridge, name, cniVersion: '1.1.0', 'cni.dev/valid-attachments': attachments },
      { command: 'GC' },
    )
  // Another network, and a list that names the pod: nothing goes.
  t.is((await gc('other', [])).code, 0)
  t.is((await gc('net', [{ containerID: 'c1', ifname: 'eth0' }])).code, 0)
  t.is(mentioning(/id: \\?"c1/), 2)
  const collected = await gc('net', [])
  t.is(collected.code, 0, collected.stdout)
  t.is(mentioning(/id: \\?"c1/), 0)
  const chains = rules()
    .join('\n')
    .split('\n')
    .filter((line) => /^:CNI-[0-9a-f]|^:CNI-DN-/.test(line))
  t.deepEqual([chains, node.leases()], [[], []])
})
